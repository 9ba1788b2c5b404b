"""What leads on from an execution that has ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from activities.git.workspace import Workspace
from activities.state.execution_store import ExecutionStore
from activities.state.state_directory import StateDirectory
from epw.client.next_commands import next_commands
from epw.client.saved_changes import KnownExecution
from epw.client.start import check_runnable
from epw.core.plan.validate import read_plan
from tests.support import make_repository, sh


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
