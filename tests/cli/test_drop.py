"""`drop` builds the branch again without a task: nothing runs again but the checks, and the old branch stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command_line import Cli, line_with, stop
from tests.support import make_repository, sh, statuses, tasks


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, temporal_binary: str) -> Iterator[Cli]:
    cli = Cli(tmp_path_factory.mktemp("drop") / "home", temporal_binary)
    process = cli.popen("up")
    line_with(process, "task queue")
    yield cli
    stop(process)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repo", {"f": "1\n2\n3\n4\n5\n6\n7\n8\n9\n"})


def run(cli: Cli, repository: Path, name: str, *rows: dict[str, Any], code: int = 0, **more: Any) -> Any:
    plan = {"workspace": str(repository), "tasks": tasks(*rows), **more}
    return json.loads(cli.execute(cli.plan(plan), name, "--json", code=code).stdout)


def files(repository: Path, branch: str) -> list[str]:
    return sh(repository, "git", "ls-tree", "--name-only", branch).split()


def test_the_task_and_what_depends_on_it_are_left_out(up: Cli, repository: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    rows = [
        {"id": each, "run": f"echo $EPW_TASK_ID >> {ran}; echo {each} > {each}", "dependsOn": after}
        for each, after in (("a", []), ("b", ["a"]), ("c", ["b"]), ("d", ["a"]))
    ]
    # What was there at the start counts, not what the user has done since.
    (repository / "untracked").write_text("at the start\n")
    first = run(up, repository, "whole", *rows, verify=f"echo verify >> {ran}; test -e a")
    tip = sh(repository, "git", "rev-parse", "epw/whole")
    (repository / "untracked").write_text("later\n")
    done = up("drop", "whole", "b", "--json")
    assert "without: b, c; 2 tasks stay" in done.stderr
    document = json.loads(done.stdout)
    assert (document["status"], document["delivery"]["branch"]) == ("succeeded", "epw/whole-without-b")
    assert document["delivery"]["base"] == first["delivery"]["base"]
    assert files(repository, "epw/whole-without-b") == ["a", "d", "f", "untracked"]
    assert sh(repository, "git", "show", "epw/whole-without-b:untracked") == "at the start\n"
    assert sh(repository, "git", "rev-parse", "epw/whole") == tip
    assert (repository / "untracked").read_text() == "later\n"
    lines = ran.read_text().split()
    assert sorted(each for each in lines if each != "verify") == ["a", "b", "c", "d"]
    assert lines[-1] == "verify"
    assert "0 violations" in up("doctor", "whole-without-b").stdout
    assert up.json("drop", "whole", "b")["executionId"] == "whole-without-b-2"


def test_a_change_that_needs_the_text_of_the_task_is_left_out_and_said(up: Cli, repository: Path) -> None:
    rows = (
        {"id": "first", "run": "sed -i s/5/five/ f", "priority": 9, "files": ["f"]},
        {"id": "second", "run": "sed -i s/five/FIVE/ f", "files": ["f"]},
        {"id": "after", "run": "echo 1 > after", "dependsOn": ["second"]},
        {"id": "other", "run": "echo 1 > other; sed -i s/1/one/ f", "files": ["f", "other"]},
    )
    run(up, repository, "text", *rows)
    document = up.json("drop", "text", "first", code=1)
    assert document["status"] == "partial"
    assert statuses(document) == {"second": "conflicted", "after": "skipped", "other": "succeeded"}
    (conflict,) = document["conflicts"]
    assert (conflict["kind"], conflict["paths"], conflict["resolution"]) == ("lines", ["f"], "skip")
    assert files(repository, "epw/text-without-first") == ["f", "other"]
    assert sh(repository, "git", "show", "epw/text-without-first:f").splitlines()[:5] == ["one", "2", "3", "4", "5"]
    assert "0 violations" in up("doctor", "text-without-first").stdout


def test_what_verify_refuses_is_not_delivered(up: Cli, repository: Path) -> None:
    rows = {"id": "needed", "run": "echo 1 > needed"}, {"id": "user", "run": "echo 1 > user"}
    run(up, repository, "red", *rows, verify="test ! -e user || test -e needed")
    document = up.json("drop", "red", "needed", code=1)
    assert document["status"] == "failed"
    assert statuses(document) == {"user": "conflicted"}
    assert sh(repository, "git", "branch", "--list", "epw/*", "--format=%(refname:short)").split() == ["epw/red"]


def test_all_that_is_left_out_is_named_and_no_speed_is_told_where_nothing_ran(up: Cli, repository: Path) -> None:
    rows: tuple[dict[str, Any], ...] = (
        *({"id": each, "run": f"echo 1 > {each}"} for each in ("good", "other")),
        {"id": "bad", "run": "false"},
        {"id": "after", "run": "true", "dependsOn": ["bad"]},
    )
    run(up, repository, "named", *rows, code=1, strategy="aggressive")
    done = up("drop", "named", "other")
    assert "without: other, and what had not succeeded: bad, after; 1 task stays" in done.stderr
    assert "1 task, no agent ran" in done.stdout
    assert not any(words in done.stdout for words in ("one after another", "agents used", "speedup", "critical path"))
    assert "speedup" not in up("report", "named-without-other").stdout


def test_the_task_that_made_verify_red_is_dropped_from_what_was_undone(up: Cli, repository: Path) -> None:
    rows = {"id": "good", "run": "echo 1 > good"}, {"id": "bad", "run": "echo 1 > bad"}
    assert run(up, repository, "undone", *rows, code=1, verify="test ! -e bad")["status"] == "rolled_back"
    assert up.json("drop", "undone", "bad")["status"] == "succeeded"
    assert files(repository, "epw/undone-without-bad") == ["f", "good"]


def test_a_resolution_between_tasks_that_stay_is_kept(up: Cli, repository: Path) -> None:
    rows = (
        {"id": "mine", "run": "sed -i s/5/mine/ f; echo 1 > mine", "priority": 9},
        {"id": "yours", "run": "sed -i s/5/yours/ f; echo 1 > yours"},
        {"id": "other", "run": "echo 1 > other"},
    )
    plan: dict[str, Any] = {"onConflict": ["prefer:mine"], "strategy": "aggressive"}
    first = run(up, repository, "agreed", *rows, **plan)
    assert [each["resolution"] for each in first["conflicts"]] == ["prefer:mine"]
    assert up.json("drop", "agreed", "other")["status"] == "succeeded"
    branch = "epw/agreed-without-other"
    assert files(repository, branch) == ["f", "mine", "yours"]
    assert sh(repository, "git", "show", f"{branch}:f") == sh(repository, "git", "show", "epw/agreed:f")


def test_what_cannot_be_dropped_is_said(up: Cli, repository: Path, tmp_path: Path) -> None:
    rows = {"id": "a", "run": "echo 1 > a"}, {"id": "b", "run": "false", "dependsOn": ["a"]}
    run(up, repository, "part", *rows, code=1, strategy="aggressive")
    assert "b is in no branch: it is failed" in up("drop", "part", "b", code=2).stderr
    assert "nothing is left without a, b" in up("drop", "part", "a", code=2).stderr
    assert "no task 'zz'" in up("drop", "part", "zz", code=2).stderr
    (tmp_path / "plain").mkdir()
    run(up, tmp_path / "plain", "plain", {"id": "a", "run": "echo 1 > a"})
    assert "needs a git repository" in up("drop", "plain", "a", code=2).stderr
    up("start", up.plan({"tasks": tasks({"id": "a", "simulate": {"hang": True}})}), "--id", "goes-on")
    assert "still running" in up("drop", "goes-on", "a", code=2).stderr
    up("cancel", "goes-on")
