"""Work that an attempt's worker did not come to save: it is in the hub before its directory goes."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from activities.attempt.checkout import check_out
from activities.attempt.directory import UNSAVED, AttemptDirectory
from activities.attempt.unsaved import remove_attempts, unsaved
from activities.git.task_commits import saved_work
from tests.activities.attempt.test_worktree_pool import Attempts


@pytest.fixture
def attempts(tmp_path: Path) -> Attempts:
    return Attempts(tmp_path)


def left(attempts: Attempts) -> AttemptDirectory:
    """A directory as a dead worker leaves it."""
    directory = attempts.make(attempts.base)
    (directory.tree / "half").write_text("done\n")
    return directory


def saved(attempts: Attempts) -> list[bytes | None]:
    rows = saved_work(attempts.hub, attempts.execution.ref("tasks"))
    return [attempts.hub.file(row["commit"], "half") for row in rows]


def test_a_run_that_starts_clean_after_a_lost_worker_saves_what_that_had_made(attempts: Attempts) -> None:
    lost = left(attempts)
    again = replace(lost, activity_attempt=2)
    assert check_out(again)
    assert not (again.tree / "half").exists()
    assert saved(attempts) == [b"done\n"]
    assert attempts.hub.resolve(lost.saved_ref("1.0.1"))
    assert not lost.path.exists()


def test_a_directory_that_a_successor_was_about_to_adopt_is_saved(attempts: Attempts) -> None:
    lost = left(attempts)
    lost.path.rename(replace(lost, activity_attempt=2).path)
    assert remove_attempts(attempts.execution).saved == ["t1"]
    assert attempts.hub.resolve(lost.saved_ref("1.0.2"))


def test_what_cannot_be_saved_is_kept_and_named_and_tried_again(attempts: Attempts) -> None:
    lost, other, aside = left(attempts), left(attempts), attempts.hub.path.with_name("aside")
    index = lost.path / "index"
    shutil.move(index, aside)
    index.mkdir()
    remains = remove_attempts(attempts.execution)
    assert remains.saved == ["t2"]
    assert (lost.tree / "half").exists()
    assert not other.path.exists()
    assert [str(lost.path) in line and "t1" in line for line in remains.kept] == [True]
    assert list(unsaved(attempts.execution)) == [("t1", lost.path)]
    index.rmdir()
    shutil.move(aside, index)
    assert remove_attempts(attempts.execution).saved == ["t1"]
    assert saved(attempts) == [b"done\n"] * 2
    assert not (attempts.execution.path / "attempts").exists()


def test_what_a_program_had_printed_to_a_killed_worker_goes_with_its_attempts(attempts: Attempts) -> None:
    log = attempts.execution.log("t1.1")
    log.parent.mkdir(parents=True)
    stream = log.with_name(f"{log.name}.stream")
    log.write_text("shown\n")
    stream.write_text("raw\n")
    remove_attempts(attempts.execution)
    assert (log.exists(), stream.exists()) == (True, False)


def test_what_was_saved_is_not_saved_again(attempts: Attempts) -> None:
    directory = left(attempts)
    directory.mark_saved()
    assert not (directory.path / UNSAVED).exists()
    assert not remove_attempts(attempts.execution).saved
    assert not directory.path.exists()
