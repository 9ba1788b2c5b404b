"""Saved changes that exist nowhere else: neither in the user's history or work tree, nor as something delivered."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from activities.git.changes import changed_paths
from activities.git.hub import Hub
from activities.git.standing import standing
from activities.git.url_git import UrlGit
from activities.git.url_workspace import fetch_branches
from activities.git.workspace import Workspace
from activities.state.execution_store import ExecutionStore
from epw.core.errors import GitError, UrlAway, UrlDenied
from epw.core.report.model import ExecutionResult


def saved_alone(execution: ExecutionStore, hub: Hub, document: ExecutionResult, saved: Sequence[str]) -> list[str]:
    """Those of the commits that only the hub has; where the workspace cannot be read, all."""
    workspace = execution.known_workspace()
    if workspace is None:
        return list(saved)
    try:
        if workspace.url is not None:
            fetch_branches(UrlGit(hub.path, workspace.url))
        delivered = _delivered_commits(execution, workspace, hub, document)
        left = [each for each in saved if each not in delivered]
        there = standing(hub, workspace, left) if left and workspace.kind == "git" else set()
    except (GitError, OSError, UrlAway, UrlDenied):
        return list(saved)
    return [each for each in left if each not in there]


def _delivered_commits(
    execution: ExecutionStore, workspace: Workspace, hub: Hub, document: ExecutionResult
) -> set[str]:
    """Commits of what was delivered, where the user still has it, in a branch or in the work tree."""
    delivery = document["delivery"]
    if delivery is None or delivery["refusedBecause"]:
        return set()
    head, base = delivery["head"], delivery["base"]
    if not head or not base:
        return set()
    is_there = {"branch": _has_commit, "push": _has_commit, "apply": _has_content}.get(delivery["mode"])
    if is_there is None or not is_there(workspace, hub, base, head):
        return set()
    # What was handed over may be other commits of the same content.
    return set(hub.commits_between(execution.base(), execution.head_ref))


def _has_commit(workspace: Workspace, hub: Hub, base: str, head: str) -> bool:
    """Whether a ref of the user's holds the commit."""
    return workspace.refs_hold(head)


def _has_content(workspace: Workspace, hub: Hub, base: str, head: str) -> bool:
    """Whether each file that was changed stands in the work tree as it was delivered."""
    for path in changed_paths(hub, base, head):
        file, wanted = Path(workspace.path, path), hub.file(head, path)
        if file.is_symlink():
            found: bytes | None = os.fsencode(os.readlink(file))
        else:
            found = file.read_bytes() if file.is_file() else None
        if found != wanted:
            return False
    return True
