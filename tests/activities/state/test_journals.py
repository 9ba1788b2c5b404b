"""Journals of workers and outcomes of attempts: files of lines, which a kill or a full disk may break off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from activities.state.activity_journal import ActivityJournal, JournalFile
from activities.state.outcome_log import OutcomeLog
from activities.system.process_identity import CURRENT_PROCESS


def entries(folder: Path) -> dict[str, Any]:
    (file,) = JournalFile.all(folder)
    assert file.worker_lives
    return file.entries()


def test_a_successor_finds_what_has_begun_and_not_ended(tmp_path: Path) -> None:
    journal = ActivityJournal.of_this_process(tmp_path)
    for name in "abc":
        journal.put(name, {"marker": f"of {name}"})
    journal.put("c", {"marker": "again"})
    journal.remove("a")
    assert entries(tmp_path) == {"b": {"marker": "of b"}, "c": {"marker": "again"}}
    assert ActivityJournal.of_this_process(tmp_path) is journal


def test_a_journal_goes_with_its_worker_unless_something_has_not_ended(tmp_path: Path) -> None:
    journal = ActivityJournal.of_this_process(tmp_path)
    journal.put("a", {})
    journal.close()
    assert entries(tmp_path) == {"a": {}}
    journal.remove("a")
    journal.close()
    assert JournalFile.all(tmp_path) == []
    journal.put("b", {})
    assert entries(tmp_path) == {"b": {}}


def test_a_journal_stays_short_however_much_has_ended(tmp_path: Path) -> None:
    journal = ActivityJournal.of_this_process(tmp_path)
    journal.put("first", {"kept": True})
    for number in range(40):
        journal.put(f"n{number}", {"text": "x" * 100_000})
        journal.remove(f"n{number}")
    (file,) = tmp_path.iterdir()
    assert file.stat().st_size < 2_000_000
    assert entries(tmp_path) == {"first": {"kept": True}}


def test_what_a_kill_has_broken_off_hides_nothing_else(tmp_path: Path) -> None:
    journal = ActivityJournal.of_this_process(tmp_path)
    journal.put("a", {})
    journal.put("b", {})
    (file,) = JournalFile.all(tmp_path)
    file.path.write_bytes(file.path.read_bytes()[:-3])
    assert file.entries() == {"a": {}}
    journal.put("c", {})
    file.remove("a")
    assert file.entries() == {"c": {}}
    file.delete_empty()
    assert file.path.exists()
    file.remove("c")
    file.delete_empty()
    assert not file.path.exists()


def test_a_journal_names_its_process(tmp_path: Path) -> None:
    (tmp_path / "4-17000.activities").touch()
    (tmp_path / "x.activities").touch()
    (dead,) = JournalFile.all(tmp_path)
    assert dead.worker == (4, 17.0)
    assert not dead.worker_lives
    assert JournalFile.name_of(CURRENT_PROCESS).startswith(f"{CURRENT_PROCESS[0]}-")


def test_an_outcome_that_another_worker_has_appended_is_found(tmp_path: Path) -> None:
    path = tmp_path / "outcomes" / "run.jsonl"
    mine, other = OutcomeLog(path), OutcomeLog(path)
    assert mine.find("a") is None
    other.append("a", b'{"n": 1}', survives_power_loss=False)
    assert mine.find("a") == b'{"n": 1}'
    other.append("a", b'{"n": 2}', survives_power_loss=True)
    other.append('b\t"', b'{"n": 3}', survives_power_loss=False)
    assert (mine.find("a"), mine.find('b\t"'), mine.find("c")) == (b'{"n": 2}', b'{"n": 3}', None)


@pytest.mark.parametrize("kept", [4, 9, 19, 30])
def test_an_outcome_that_was_broken_off_counts_as_none(tmp_path: Path, kept: int) -> None:
    log = OutcomeLog(tmp_path / "log")
    log.append("a", b'{"n": {"m": 1}, "o": 2}', survives_power_loss=False)
    whole = (tmp_path / "log").read_bytes()
    (tmp_path / "log").write_bytes(whole[:kept])
    found = log.find("a")
    assert found == (b'{"n": {"m": 1}, "o": 2}' if kept == 30 else None)
    # Its writer goes on.
    (tmp_path / "log").write_bytes(whole)
    log.append("b", b"{}", survives_power_loss=False)
    assert (log.find("a"), log.find("b")) == (b'{"n": {"m": 1}, "o": 2}', b"{}")
