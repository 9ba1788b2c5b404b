"""Heartbeats: live progress without history events, at a rate that falls with the number of agents."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any

from pydantic import BaseModel, ValidationError
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.system.server_time import server_ms, server_time
from epw.core.messages import AgentProgress

# A cancellation arrives with the response to a heartbeat, so the interval bounds its delay. Each costs the server
# 1.6 ms of CPU with 100 agents, and 3 ms with 1,000, whose timers it sorts; of up to 500 fifty a second are sent.
_FIRST_SECONDS = 0.3
_MIN_SECONDS = 1.0
_MAX_SECONDS = 10.0
_SECONDS_PER_AGENT = 0.02
_MAX_FILES = 20
_MAX_WARNINGS = 5
_MAX_WARNING_LENGTH = 500
_OWN = ("taskId", "agentId", "simulated", "directory", "warnings", "reportedAt", "elapsedMs")
Step = Callable[[Any], Awaitable[Any]]
_agent_runs: ContextVar[bool] = ContextVar("agent_runs", default=False)
"""Whether the agent of the present activity runs."""
_REPORTED = frozenset(field.alias or name for name, field in AgentProgress.model_fields.items()) - frozenset(_OWN)


class LastBeat(BaseModel):
    """What the last heartbeat of a run of an attempt tells those after it; times in epoch milliseconds."""

    at: int
    run: int = 0
    """Which of Temporal's runs of the attempt sent it, from 1; 0: not told."""
    started_at: int = 0
    worked_ms: int = 0
    """Without waits."""
    agent_runs: bool = False
    """Whether its agent had begun, and nothing but the end of its worker keeps it from its end."""
    lost_runs: int = 0
    """Runs before it whose agents ended with their worker."""

    @property
    def lost_with_this(self) -> int:
        """Runs whose agents ended with their worker, this one included, where no worker has it any more."""
        return self.lost_runs + self.agent_runs


def last_beat(details: Sequence[Any]) -> LastBeat | None:
    """The heartbeat with these details; None where there was none."""
    if len(details) < 2 or not isinstance(details[1], int):
        return None
    with contextlib.suppress(ValidationError):
        return LastBeat.model_validate({"at": details[1], **(details[2] if len(details) > 2 else {})})
    return LastBeat(at=details[1])


def lost_runs_before() -> int:
    """Runs of the present activity before this one whose agents ended with their worker.

    One that fails in another way tells so (`telling_failures`): one of which nothing came was taken, and is lost.
    """
    run = activity.info().attempt
    beat = last_beat(activity.info().heartbeat_details)
    if beat is None:
        return run - 1
    return beat.lost_with_this + (max(0, run - 1 - beat.run) if beat.run else 0)


def telling_failures(step: Step) -> Step:
    """The activity, whose failure that is tried again tells later runs whether its agent ran."""

    @functools.wraps(step)
    async def told(request: Any) -> Any:
        try:
            return await step(request)
        except BaseException as error:
            if not (isinstance(error, ApplicationError) and error.non_retryable):
                names = {name: getattr(request, name, "epw") for name in ("task_id", "agent_id")}
                Heartbeat(AgentProgress.model_validate(names)).send()
            raise

    return told


class Heartbeat:
    """Sender of the newest progress of one attempt."""

    _active = 0
    """Senders of this process, which share the rate."""

    def __init__(self, progress: AgentProgress, lost_runs: int | None = None, *, agent_runs: bool = False) -> None:
        """`lost_runs`: earlier runs of the attempt whose agents ended with their worker; None: as they have told."""
        self._progress = progress
        self._began = server_time()
        self._agent_runs, self._has_beaten = agent_runs, False
        self.lost_runs = lost_runs or 0
        if lost_runs is None and activity.in_activity():
            self.lost_runs = lost_runs_before()
        self.waited: Callable[[], float] = float
        """Seconds so far that were not the agent's work."""

    @property
    def interval(self) -> float:
        """Seconds from one heartbeat to the next, now."""
        return min(max(_MIN_SECONDS, Heartbeat._active * _SECONDS_PER_AGENT), _MAX_SECONDS)

    @contextmanager
    def agent_running(self) -> Iterator[None]:
        """Tell later runs that the agent runs in the block; if its worker ends, it is not told that it has ended.

        Nor is the end of the block told, after which later runs find the outcome of this one.
        """
        self._set_running(True)
        try:
            yield
        except Exception:
            self._set_running(False)
            if self._has_beaten:
                self.send()
            raise
        self._set_running(False)

    def _set_running(self, runs: bool) -> None:
        self._agent_runs = runs
        # A task that beats has a copy of the context, as it was when that began.
        _agent_runs.set(runs)

    def send(self) -> None:
        """Send it now."""
        now, self._has_beaten = server_time(), True
        beat = LastBeat(
            at=round(now * 1000),
            run=activity.info().attempt,
            started_at=round(self._began * 1000),
            worked_ms=max(0, round((now - self._began - self.waited()) * 1000)),
            agent_runs=self._agent_runs or _agent_runs.get(),
            lost_runs=self.lost_runs,
        )
        activity.heartbeat(self._progress, beat.at, beat.model_dump(exclude={"at"}))

    def report(self, fields: dict[str, Any]) -> None:
        """Update the progress with an agent's report; unknown and invalid fields are ignored."""
        updates = {name: value for name, value in fields.items() if name in _REPORTED}
        if isinstance(updates.get("files"), list):
            updates["files"] = [str(file)[:500] for file in updates["files"][:_MAX_FILES]]
        if isinstance(updates.get("operation"), str):
            updates["operation"] = updates["operation"][:200]
        before = self._progress
        try:
            self._progress = AgentProgress.model_validate(before.model_dump(by_alias=True) | updates)
        except ValidationError:
            return
        if (before.percent, before.operation) != (self._progress.percent, self._progress.operation):
            self._progress = self._progress.model_copy(update={"reported_at": server_ms()})

    def warn(self, warnings: list[str]) -> None:
        """Set the warnings about predicted conflicts, bounded in number and length."""
        bounded = [each[:_MAX_WARNING_LENGTH] for each in warnings[:_MAX_WARNINGS]]
        self._progress = self._progress.model_copy(update={"warnings": bounded})

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """Send heartbeats while the block runs."""
        loop = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            loop.cancel()

    async def _beat(self) -> None:
        Heartbeat._active += 1
        try:
            # A task that ends at once needs no heartbeat; of many that start together the first ones are spread too.
            shared = min(Heartbeat._active * _SECONDS_PER_AGENT, _MAX_SECONDS)
            await asyncio.sleep(max(_FIRST_SECONDS, shared * random.random()))
            while True:
                self.send()
                await asyncio.sleep(self.interval)
        finally:
            Heartbeat._active -= 1
