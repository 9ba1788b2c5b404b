"""Redrive: what succeeded is taken over, what changed runs, with what depends on it; no more, no less."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from epw.core.execution.reuse import reusable
from epw.core.execution.state import ExecutionState
from epw.core.plan.model import Plan
from epw.core.plan.validate import read_plan
from tests.command_line import Cli, line_with, stop
from tests.support import make_repository, sh, tasks


def plan(*rows: dict[str, Any], **more: Any) -> Plan:
    return read_plan({"tasks": tasks(*rows), **more})


ROWS = ({"id": "a", "run": "1"}, {"id": "b", "run": "2", "dependsOn": ["a"]}, {"id": "c", "run": "3"})
DONE = {task: {"status": "succeeded", "commit": f"commit of {task}"} for task in "abc"}


def test_an_unchanged_success_is_taken_over() -> None:
    taken, reasons = reusable(plan(*ROWS), plan(*ROWS), DONE)
    assert taken == {task: f"commit of {task}" for task in "abc"}
    assert reasons == {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"run": "other"}, "run"),
        ({"description": "other"}, "description"),
        ({"env": {"X": "1"}}, "env"),
        ({"verify": "true"}, "verify"),
        ({"context": {"x": 1}}, "context"),
        ({"dependsOn": ["c"]}, "dependencies"),
    ],
)
def test_a_changed_task_runs_and_what_depends_on_it(change: dict[str, Any], words: str) -> None:
    taken, reasons = reusable(plan(*ROWS), plan({**ROWS[0], **change}, *ROWS[1:]), DONE)
    assert list(taken) == ["c"]
    assert words in reasons["a"]
    assert reasons["b"] == "depends on a, which runs again"


@pytest.mark.parametrize("change", [{"estimatedMinutes": 3}, {"priority": 4}, {"files": ["x"]}, {"reads": ["y"]}])
def test_what_only_schedules_changes_nothing(change: dict[str, Any]) -> None:
    taken, _ = reusable(plan(*ROWS), plan({**ROWS[0], **change}, *ROWS[1:]), DONE)
    assert len(taken) == 3


def test_a_change_whose_uses_followed_a_rename_is_made_again() -> None:
    taken, reasons = reusable(plan(*ROWS), plan(*ROWS), DONE, ["c"])
    assert (list(taken), reasons) == (["a", "b"], {"c": "its uses followed a rename when it landed"})


def test_a_change_that_is_gone_is_made_again_and_what_depends_on_it() -> None:
    taken, reasons = reusable(plan(*ROWS), plan(*ROWS), DONE, gone=["a"])
    assert (list(taken), reasons["a"]) == (["c"], "its change is gone: `epw gc` has removed it")
    assert reasons["b"] == "depends on a, which runs again"


@pytest.mark.parametrize("status", ["failed", "cancelled", "skipped", "conflicted"])
def test_what_did_not_succeed_runs(status: str) -> None:
    rows = {**DONE, "a": {"status": status, "commit": "half"}}
    taken, reasons = reusable(plan(*ROWS), plan(*ROWS), rows)
    assert list(taken) == ["c"]
    assert reasons["a"] == f"was {status}"


def test_settings_that_every_agent_sees_count_and_the_strategy_does_not() -> None:
    assert reusable(plan(*ROWS), plan(*ROWS, env={"X": "1"}), DONE)[0] == {}
    more = {"strategy": "aggressive", "maxAgents": 2, "verify": "true", "deliver": "none"}
    assert len(reusable(plan(*ROWS, workspace="/w"), plan(*ROWS, workspace="/w", **more), DONE)[0]) == 3


def test_those_who_build_on_what_had_changed_nothing_start_at_once() -> None:
    execution = ExecutionState(plan(*ROWS, workspace="/w"), {"a": None, "c": None})
    execution.takes_over_first = True
    assert [start.task_id for start in execution.starts(0)] == ["b"]
    execution = ExecutionState(plan(*ROWS, workspace="/w"), {"a": "commit of a", "c": None})
    execution.takes_over_first = True
    assert list(execution.starts(0)) == []


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, temporal_binary: str) -> Iterator[Cli]:
    cli = Cli(tmp_path_factory.mktemp("redrive") / "home", temporal_binary)
    process = cli.popen("up")
    line_with(process, "task queue")
    yield cli
    stop(process)


def test_twenty_tasks_of_which_the_twelfth_fails_are_not_run_twice(up: Cli, tmp_path: Path) -> None:
    repository, ran, go = make_repository(tmp_path / "repo"), tmp_path / "ran", tmp_path / "go"

    def row(number: int) -> dict[str, Any]:
        command = f"echo $EPW_TASK_ID >> {ran}; echo {number} > f{number}"
        command = f"test -e {go} && {{ {command}; }}" if number == 11 else command
        return {"id": f"t{number}", "run": command, "dependsOn": [f"t{number - 1}"] if number else []}

    rows = tasks(*(row(number) for number in range(20)))
    document = {"workspace": str(repository), "tasks": rows}
    first = json.loads(up.execute(up.plan(document), "twenty", "--json", code=1).stdout)
    assert first["status"] == "rolled_back"
    go.touch()
    done = up("retry", "twenty", "--json", "--id", "twenty-2")
    assert "taken over from twenty: 11 of 20 tasks" in done.stderr
    assert "runs: t11 (was failed)" in done.stderr
    second = json.loads(done.stdout)
    assert second["status"] == "succeeded"
    assert [row["taskId"] for row in second["results"] if row.get("reused")] == [f"t{n}" for n in range(11)]
    assert Counter(ran.read_text().split()) == Counter(f"t{n}" for n in range(20))
    branch = second["delivery"]["branch"]
    assert len(sh(repository, "git", "ls-tree", "--name-only", branch).split()) == 21

    rows[16]["run"] += "; true"
    third = up.json("retry", "twenty-2", up.plan(document), "--id", "twenty-3")
    assert [row["taskId"] for row in third["results"] if not row.get("reused")] == [f"t{n}" for n in range(16, 20)]
    assert {task for task, times in Counter(ran.read_text().split()).items() if times > 1} == {
        f"t{n}" for n in range(16, 20)
    }


def test_a_change_that_no_longer_fits_runs_again(up: Cli, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo", {"f": "1\n2\n3\n"})
    rows = tasks({"id": "edit", "run": "sed -i 's/.$/&!/' f"}, {"id": "bad", "run": "test -e fixed"})
    path = up.plan({"workspace": str(repository), "strategy": "aggressive", "tasks": rows})
    up.execute(path, "misfit", code=1)
    (repository / "f").write_text("one\n2\n3\n")
    (repository / "fixed").touch()
    second = up.json("retry", "misfit", "--id", "misfit-2")
    assert second["status"] == "succeeded"
    assert not any(row.get("reused") for row in second["results"])
    assert sh(repository, "git", "show", f"{second['delivery']['branch']}:f") == "one!\n2!\n3!\n"


def test_what_gc_has_removed_is_not_said_to_be_kept(up: Cli, tmp_path: Path) -> None:
    repository, ran = make_repository(tmp_path / "repo"), tmp_path / "ran"
    rows = tasks({"id": "a", "run": f"echo a >> {ran}; echo a > a"}, {"id": "b", "run": "true", "dependsOn": ["a"]})
    up.execute(up.plan({"workspace": str(repository), "tasks": rows}), "removed")
    kept = up("retry", "removed", "--dry-run").stderr
    assert "keeps: a (" in kept
    assert "gone" not in kept
    up("gc", "removed", "--yes")
    done = up("retry", "removed", "--json")
    assert "its changes are gone: `epw gc` has removed them; all 2 tasks run again\n" in done.stderr
    assert "taken over from removed: 0 of 2 tasks" in done.stderr
    assert "keeps" not in done.stderr
    assert json.loads(done.stdout)["status"] == "succeeded"
    assert ran.read_text() == "a\na\n"


def test_only_an_ended_execution_is_retried(up: Cli) -> None:
    up("start", up.plan({"tasks": tasks({"id": "a", "simulate": {"hang": True}})}), "--id", "goes-on")
    assert "still running" in up("retry", "goes-on", code=2).stderr
    up("cancel", "goes-on")
    assert "no execution" in up("retry", "never-was", code=2).stderr
