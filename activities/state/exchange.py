"""Exchange of an execution on a git URL: what an activity needs is fetched before it, what it has made pushed after it.

Activities know the hub of their host alone. Where the truth is elsewhere is known here: by the `hub` of a request,
which is a path, or then the URL.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.service import RPCError

from activities.git import transfer
from activities.git.url_large import fetch_large
from activities.git.url_refs import UrlRefs
from activities.state.activity_scope import current_execution, not_retried
from activities.state.execution_store import ExecutionStore
from activities.state.heartbeat import Heartbeat
from activities.state.plan_source import PlanSource
from activities.state.state_directory import StateDirectory
from activities.state.url_start import arrive
from activities.system.failpoints import failpoint
from activities.system.server_time import server_ms
from epw.core.errors import GitError, UrlAway, UrlDenied, UrlRefuses
from epw.core.messages import (
    DELIVER,
    LAND,
    OPEN_PULL_REQUEST,
    PREPARE,
    ROLL_BACK,
    RUN_TASK,
    AgentProgress,
    StepRequest,
    TaskRun,
)
from epw.core.naming import slug
from epw.core.plan.git_url import is_url
from epw.core.plan.requests import URL_AWAY, UrlSilent

PATIENCE_SECONDS = 600.0
"""So long an activity waits for a URL that does not answer, or lets nobody in any more."""
_OF_WORK = 6
"""So many times longer with what an agent has made."""
_OWNERS = (LAND, DELIVER, OPEN_PULL_REQUEST, ROLL_BACK)
"""Activities that check the fence: one at a time moves the head."""
_AT_THE_END = (DELIVER, OPEN_PULL_REQUEST)
"""Activities whose failure leaves something that a command finishes: they wait once."""
_OWN_COMMITS = "commits/"
_OF_ATTEMPTS = ("tasks/", "kept/", "left/", "history/", _OWN_COMMITS, "files/outcomes/", "files/reads/")
"""Refs that attempts of tasks make; all others are made by steps."""
_COMMIT = re.compile(r'"([0-9a-f]{40})"')
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_SILENT_SINCE = 3
"""Place, in the details of a heartbeat of `prepare`, of the moment since which the URL has not answered."""
_SIGNAL_TIMEOUT = timedelta(seconds=10)
Step = Callable[[Any], Awaitable[Any]]


@dataclass(frozen=True)
class Exchange:
    """Exchange with URLs of the activities of one worker."""

    state: StateDirectory
    plans: PlanSource
    patience_seconds: float = PATIENCE_SECONDS

    def around(self, step: Step) -> Step:
        """The activity, with the exchange around it; without a URL it is called as it is."""

        @functools.wraps(step)
        async def exchanged(request: Any) -> Any:
            name = activity.info().activity_type
            url = await self._url(name, request)
            if url is None:
                return await self._in_directory(step, request)
            if name == PREPARE:
                # It makes the first refs, and tells what stands in their way.
                return (await _prepared(step, request)).model_copy(update={"hub": url})
            execution = current_execution(self.state, request)
            plan = (await self.plans.of_current_execution()).plan
            gives_up = threading.Event()
            refs = execution.url_refs(url, plan.url_refs, gives_up)
            traffic = _Traffic(execution, refs, name, request, self.patience_seconds)
            await traffic.fetched(gives_up)
            try:
                result = await step(_at_hub(request, str(refs.hub.path)))
            except asyncio.CancelledError:
                # What cannot be pushed now is in the hub, and goes with the next push of this host.
                with contextlib.suppress(UrlAway, UrlDenied, UrlRefuses):
                    await traffic.pushed(is_hurried=True)
                raise
            except Exception as error:
                if isinstance(error, GitError):
                    # The next try finds what the URL has again.
                    with contextlib.suppress(UrlAway, UrlDenied):
                        await asyncio.to_thread(refs.git.has_mended, error)
                await traffic.pushed()
                raise
            await traffic.pushed()
            return result

        return exchanged

    async def _in_directory(self, step: Step, request: Any) -> Any:
        """The activity as it is; where objects are missing in the hub, the next try finds what the workspace has."""
        try:
            return await step(request)
        except GitError as error:
            execution = current_execution(self.state, request)
            workspace = execution.known_workspace()
            if workspace is not None and (hub := execution.hub()) is not None:
                await asyncio.to_thread(transfer.has_mended, hub, workspace, error)
            raise

    async def _url(self, name: str, request: Any) -> str | None:
        """The URL that has the truth; None: this host has it."""
        if name == PREPARE and request.has_workspace:
            workspace = (await self.plans.of_current_execution()).plan.workspace
            return workspace if workspace is not None and is_url(workspace) else None
        steps = getattr(request, "steps", None)
        hub = steps[0].hub if steps else getattr(request, "hub", None)
        return hub if hub is not None and is_url(hub) else None


async def _prepared(step: Step, request: Any) -> Any:
    """The result of `prepare`, which Temporal runs again where the URL does not answer."""
    began, told = server_ms(), activity.info().heartbeat_details[_SILENT_SINCE:]
    try:
        result = await step(request)
    except UrlAway:
        progress = AgentProgress(task_id=PREPARE, agent_id="epw")
        activity.heartbeat(progress, began, {}, told[0] if told else began)
        raise
    if told:
        await _tell_wait(told[0], began)
    return result


async def _tell_wait(since: int, until: int) -> None:
    """Tell the execution that the URL was waited for (epoch milliseconds)."""
    info = activity.info()
    handle = activity.client().get_workflow_handle(info.workflow_id or "", run_id=info.workflow_run_id)
    with contextlib.suppress(RPCError):
        await handle.signal(URL_AWAY, UrlSilent(since=since, until=until), rpc_timeout=_SIGNAL_TIMEOUT)


def _at_hub(request: Any, hub: str) -> Any:
    """The request as on the host that has the hub."""
    update: dict[str, Any] = {"hub": hub} if getattr(request, "hub", None) is not None else {}
    if steps := getattr(request, "steps", None):
        update["steps"] = [each.model_copy(update={"hub": hub}) for each in steps]
    return request.model_copy(update=update)


@dataclass(frozen=True)
class _Traffic:
    """Traffic of one activity with the URL."""

    execution: ExecutionStore
    refs: UrlRefs
    name: str
    request: StepRequest
    patience_seconds: float
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    """Set where nobody waits any more: a URL that does not answer is not tried again."""

    @property
    def _owns(self) -> bool:
        return self.name in _OWNERS

    async def fetched(self, gives_up: threading.Event) -> None:
        """Fetch what the activity needs; `gives_up` is set where it is cancelled, which ends what is under way."""
        working = asyncio.ensure_future(self._repeated(self._fetch))
        try:
            await asyncio.shield(working)
        except asyncio.CancelledError:
            gives_up.set()
            self.hurry.set()
            await asyncio.wait([working])
            raise

    async def pushed(self, *, is_hurried: bool = False) -> None:
        """Push what there is; a cancellation waits for a push that is under way, and for no other."""
        if is_hurried:
            self.hurry.set()
        working = asyncio.ensure_future(self._repeated(self._push))
        while not working.done():
            try:
                await asyncio.wait([working])
            except asyncio.CancelledError:
                self.hurry.set()
        working.result()

    def _fetch(self) -> None:
        new = self.refs.pull(owns=self._owns, unless_here=self._enough())
        self.execution.take_over(self.refs.hub, new)
        if not (self.execution.path / "base").is_file():
            with self.refs.hub.locked():
                arrive(self.execution, self.refs)
        if self.execution.workspace().filters:
            fetch_large(self.refs.hub, self.refs.git, _COMMIT.findall(self.request.model_dump_json()))
        failpoint(f"{self.name}.fetched")

    def _push(self) -> None:
        self.execution.share_ledger()
        self.refs.push(owns=self._owns, is_own=self._is_own)
        failpoint(f"{self.name}.pushed")

    def _is_own(self, name: str) -> bool:
        """Whether a ref is one that this activity makes."""
        is_of_attempt = name.startswith(_OF_ATTEMPTS)
        if self.name != RUN_TASK:
            return not is_of_attempt
        return is_of_attempt and (name.startswith(_OWN_COMMITS) or slug(getattr(self.request, "task_id", "")) in name)

    def _enough(self) -> list[str] | None:
        """The commits with which an attempt or a landing can begin; None: it may need files of other hosts too."""
        run = self.request
        if activity.info().attempt > 1 or not (self.execution.path / "base").is_file():
            return None
        if isinstance(run, TaskRun):
            is_first = run.attempt == 1 and not (run.round or run.reruns or run.retries)
        else:
            # The head that it names is the newest one: what was read and found up to there came with it.
            is_first = self.name == LAND
        return _COMMIT.findall(run.model_dump_json()) if is_first else None

    async def _repeated(self, step: Callable[[], None]) -> None:
        """Run a blocking step; a URL that does not answer is tried again, as long as patience lasts."""
        task = getattr(self.request, "task_id", self.name)
        # What an agent has made is worth more than its slot; one that ran again would be refused again, and paid again.
        is_work = self.name == RUN_TASK and step == self._push
        progress = AgentProgress(task_id=task, agent_id=getattr(self.request, "agent_id", "epw"))
        # Until it is pushed, its worker can take along what the agent has made.
        heartbeat = Heartbeat(progress, agent_runs=is_work)
        patience = self.patience_seconds * (_OF_WORK if is_work else 1)
        until, pause, was_alone = time.monotonic() + patience, _FIRST_PAUSE_SECONDS, False
        silent_since = 0
        async with heartbeat.beating():
            while True:
                began = server_ms()
                try:
                    await asyncio.to_thread(step)
                    return await _tell_wait(silent_since, began) if silent_since else None
                except (UrlAway, UrlDenied, UrlRefuses) as error:
                    # It let this execution in before: a login that has run out is given again, a path comes back.
                    is_last = self.hurry.is_set() or time.monotonic() + pause > until
                    waits = not is_last and (isinstance(error, UrlAway) or self.name not in _AT_THE_END)
                    if waits and isinstance(error, UrlRefuses):
                        takes_nothing = await asyncio.to_thread(self._takes_nothing)
                        # It may have begun to take something again just now: twice alone, and the change is to blame.
                        waits, was_alone = takes_nothing or not was_alone, not takes_nothing
                    if not waits and silent_since:
                        await _tell_wait(silent_since, server_ms())
                    silent_since = silent_since or began
                    if not waits:
                        is_final = not self.hurry.is_set() and (is_work or self.name in _AT_THE_END)
                        raise not_retried(error) if is_final else error from None
                    heartbeat.report({"operation": f"waiting: {error}"})
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.hurry.wait(), pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _takes_nothing(self) -> bool:
        try:
            return self.refs.takes_nothing(self.execution.base())
        except (UrlAway, UrlDenied):
            return True
