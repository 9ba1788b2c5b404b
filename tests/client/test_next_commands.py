"""What leads on from an execution that has ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from activities.git.workspace import Workspace
from activities.state.execution_store import ExecutionStore
from activities.state.state_directory import StateDirectory
from epw.client.documents import exit_code
from epw.client.next_commands import next_commands
from epw.client.saved_changes import KnownExecution
from epw.client.start import check_runnable
from epw.core.plan.validate import read_plan
from tests.support import make_repository, sh


def test_an_execution_that_never_began_is_not_retried_and_its_command_ends_with_3(tmp_path: Path) -> None:
    store = ExecutionStore(StateDirectory(tmp_path / "state"), "uni", "run")
    document: dict[str, Any] = {"executionId": "uni", "status": "failed", "delivery": None, "results": []}
    ends = []
    for error in ("failed", "Unavailable"):
        known = KnownExecution(cast(Any, {**document, "error": {"type": error, "message": "why"}}), store)
        ends.append((exit_code(known.document), [each.command for each in next_commands(known, tmp_path)]))
    assert ends == [(1, ["epw retry uni"]), (3, [])]


def test_before_a_merge_on_no_branch_comes_the_branch(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo")
    sh(repository, "git", "switch", "--quiet", "-c", "epw/uni")
    sh(repository, "git", "commit", "--quiet", "--allow-empty", "--message", "more")
    sh(repository, "git", "switch", "--quiet", "-")
    store = ExecutionStore(StateDirectory(tmp_path / "state"), "uni", "run")
    store.path.mkdir(parents=True)
    (store.path / "workspace.json").write_text(Workspace.read(str(repository)).model_dump_json())
    delivery: dict[str, Any] = {"mode": "branch", "branch": "epw/uni", "refusedBecause": None, "finishWith": []}
    document = {"executionId": "uni", "status": "succeeded", "delivery": delivery, "results": []}
    plan = read_plan(
        {"workspace": str(repository), "tasks": [{"id": "a", "description": "d", "run": "true"}]},
    )

    def commands() -> list[str]:
        found = next_commands(KnownExecution(cast(Any, document), store), repository)
        return [each.command for each in found]

    assert not any("switch" in each for each in commands())
    assert check_runnable(plan) == []
    sh(repository, "git", "switch", "--quiet", "--detach")
    told = commands()
    assert told.index("git switch -c NAME") < told.index("git merge epw/uni")
    assert "is on no branch" in check_runnable(plan)[0]
