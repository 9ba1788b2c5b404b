"""Hub of an execution on a git URL, brought up to date on this host: it may be another than those that did the work."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Sequence
from typing import Any

from temporalio.client import WorkflowExecutionDescription, WorkflowHandle

from activities.git.url_refs import UrlRefs
from activities.state.execution_store import ExecutionStore
from activities.state.url_start import arrive
from epw.client.started_plan import plan_in
from epw.core.naming import HIDDEN_REFS
from epw.core.plan.git_url import is_url
from epw.settings import Settings


async def catch_up(
    settings: Settings,
    handle: WorkflowHandle[Any, Any],
    described: WorkflowExecutionDescription,
    enough: Sequence[str] | None = None,
) -> None:
    """Fetch an execution's refs, where a git URL is its workspace; `enough`: commits with which nothing is fetched.

    Raises `UrlAway`, `UrlDenied`.
    """
    store = ExecutionStore.of(settings.state, described)
    if enough is not None and store.kept_results():
        # `gc` has noted what was to be known.
        return
    refs = await refs_of(store, handle)
    if refs is not None:
        await asyncio.to_thread(_fetch, store, refs, enough)


async def refs_of(store: ExecutionStore, handle: WorkflowHandle[Any, Any]) -> UrlRefs | None:
    """The execution's refs on its git URL; None: a directory is its workspace, or it has none."""
    if store.known_workspace() is not None:
        return store.own_url_refs()
    async for event in handle.fetch_history_events(page_size=1):
        plan: Any = await plan_in(event, handle._client.data_converter)
        place = plan.get("workspace") if isinstance(plan, dict) else None
        prefix = plan.get("urlRefs") or plan.get("url_refs") or HIDDEN_REFS if isinstance(plan, dict) else HIDDEN_REFS
        if isinstance(place, str) and is_url(place):
            return store.url_refs(place, prefix)
        break
    return None


def _fetch(store: ExecutionStore, refs: UrlRefs, enough: Sequence[str] | None) -> None:
    store.take_over(refs.hub, refs.pull(owns=False, unless_here=enough))
    if store.known_workspace() is not None and not (store.path / "base").is_file():
        with refs.hub.locked():
            arrive(store, refs)


def in_a_clone(url: str, branch: str, command: str) -> str:
    """Commands that take a branch of a git URL over in a clone of it; `command`: what git is to do with its tip."""
    return f"{shlex.join(['git', 'fetch', url, branch])} && git {command} FETCH_HEAD"
