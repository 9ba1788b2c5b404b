"""Executions as a client finds them: a workspace that has gone, a delivery that is no branch."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, cast

import pytest

from activities.git.workspace import Workspace
from activities.state.execution_store import ExecutionStore
from activities.state.state_directory import StateDirectory
from epw.client.saved_changes import KnownExecution
from epw.core.errors import InvalidRequest
from tests.support import make_repository


def known(tmp_path: Path, **delivery: Any) -> KnownExecution:
    """An execution in a repository that has been delivered so."""
    store = ExecutionStore(StateDirectory(tmp_path / "state"), "uni", "run")
    store.path.mkdir(parents=True)
    workspace = Workspace.read(str(make_repository(tmp_path / "repo")))
    (store.path / "workspace.json").write_text(workspace.model_dump_json())
    whole = {"mode": "branch", "branch": None, "refusedBecause": None, "finishWith": [], **delivery}
    return KnownExecution(cast(Any, {"executionId": "uni", "status": "succeeded", "delivery": whole}), store)


def test_a_workspace_that_was_moved_is_named_with_what_still_works(tmp_path: Path) -> None:
    found = known(tmp_path, branch="epw/uni")
    shutil.move(tmp_path / "repo", tmp_path / "elsewhere")
    for look in (found.delivered_branch, lambda: found.repository):
        with pytest.raises(InvalidRequest, match=rf"is not at {tmp_path}/repo any more: .*`epw salvage uni --patches"):
            look()


def test_what_was_applied_is_no_branch_and_says_where_it_is(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="has delivered into the work tree"):
        known(tmp_path, mode="apply").delivered_branch()


def test_without_a_branch_the_command_that_says_why_is_whole(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="`epw status uni` says why"):
        known(tmp_path, mode="none").delivered_branch()
