"""Saved changes of an ended execution that are gone: `gc` has removed them from the hub, and from a git URL."""

from __future__ import annotations

from typing import Any

from temporalio.client import WorkflowExecutionDescription, WorkflowHandle

from activities.git import kept_files
from activities.git.hub import Hub
from activities.git.many_changes import held
from activities.git.workspace import Workspace
from activities.state.execution_store import ExecutionStore
from epw.client.url_hub import catch_up
from epw.core.naming import slug
from epw.core.plan.git_url import is_url
from epw.core.report.model import ExecutionResult
from epw.settings import Settings


async def gone_changes(
    settings: Settings,
    handle: WorkflowHandle[Any, Any],
    described: WorkflowExecutionDescription,
    document: ExecutionResult,
    place: str | None,
) -> list[str]:
    """Ids of the tasks whose change or kept files are not there any more; none where only another host can tell.

    `place`: the plan's workspace. Raises `UrlAway`, `UrlDenied` where the URL would have to be asked, and `InvalidPlan`
    for a workspace that is not there.
    """
    store = ExecutionStore.of(settings.state, described)
    is_here = store.known_workspace() is not None or bool(store.kept_results())
    if place is None or not (is_here or is_url(place)):
        return []
    found = _missing(settings, store, document, place)
    if found and is_url(place):
        await catch_up(settings, handle, described)
        found = _missing(settings, store, document, place)
    return found


def _missing(settings: Settings, store: ExecutionStore, document: ExecutionResult, place: str) -> list[str]:
    hub = Hub(settings.state.hub(place if is_url(place) else Workspace.read(place).path))
    # Other hosts have of a URL what its refs of this execution hold.
    refs = store.ref() if is_url(place) else "refs"
    commits = {row["taskId"]: row["commit"] for row in document["results"] if row["commit"]}
    here, kept = set[str](), set[str]()
    if hub.path.is_dir():
        here, kept = held(hub, list(commits.values()), refs), set(kept_files.newest(hub, store.ref("kept")))
    files = [row["taskId"] for row in document["results"] if row["kept"] and slug(row["taskId"]) not in kept]
    return [*(task for task, commit in commits.items() if commit not in here), *files]
