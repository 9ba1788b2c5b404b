"""Mending of hubs on this host whose refs lead to missing objects: from the git URL or directory that they are of."""

from __future__ import annotations

import contextlib
from pathlib import Path

from activities.git import broken_refs, transfer
from activities.git.hub import Hub
from activities.git.url_git import UrlGit
from activities.state.execution_store import ExecutionStore
from activities.state.state_directory import StateDirectory
from epw.core.errors import GitError, UrlAway, UrlDenied


def mended(execution: ExecutionStore) -> str | None:
    """Mend the hub of an execution where a commit is missing that it has saved; a sentence where some stays lost."""
    hub = execution.hub()
    if hub is None:
        return None
    # What cannot be mended, a full disk say, is told by whatever needs the objects.
    with contextlib.suppress(GitError, OSError):
        if not broken_refs.is_sound(hub.path, execution.ref()) or broken_refs.lost(hub.path, execution.ref()):
            mend_hub(execution.state, hub.path)
    lost = broken_refs.lost(hub.path, execution.ref())
    return f"{execution.workflow_id}: {broken_refs.sentence(lost)}" if lost else None


def mend_hub(state: StateDirectory, hub: Path) -> bool:
    """Set broken refs of a hub aside, and put back what its workspace has of them; whether there were any."""
    known = (each.known_workspace() for each in ExecutionStore.all(state))
    workspace = next((each for each in known if each is not None and state.hub(each.place) == hub), None)
    if workspace is None:
        return bool(broken_refs.set_aside(hub))
    if workspace.url is None:
        return transfer.mend(Hub(hub), workspace)
    try:
        return UrlGit(hub, workspace.url).mend()
    except (UrlAway, UrlDenied):
        # They are set aside, and come back with the next look at the URL.
        return True
