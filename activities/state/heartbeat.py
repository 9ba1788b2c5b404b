"""Heartbeats: live progress without history events, at a rate that falls with the number of agents."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from pydantic import ValidationError
from temporalio import activity

from epw.core.messages import AgentProgress

# A cancellation arrives with the response to a heartbeat, so the interval bounds its delay. 1,000 agents at 10 s cost
# the server a quarter of a core, at 1 s more than one.
_FIRST_SECONDS = 0.3
_MIN_SECONDS = 1.0
_SECONDS_PER_AGENT = 0.01
_MAX_FILES = 20
_MAX_WARNINGS = 5
_MAX_WARNING_LENGTH = 500
_OWN = ("taskId", "agentId", "simulated", "directory", "warnings", "reportedAt", "elapsedMs")
_REPORTED = frozenset(field.alias or name for name, field in AgentProgress.model_fields.items()) - frozenset(_OWN)


def last_beat(details: Sequence[Any]) -> int | None:
    """When the heartbeat with these details was sent, epoch milliseconds; None where there was none."""
    return details[1] if len(details) > 1 and isinstance(details[1], int) else None


class Heartbeat:
    """Sender of the newest progress of one attempt."""

    _active = 0
    """Senders of this process, which share the rate."""

    def __init__(self, progress: AgentProgress) -> None:
        self._progress = progress

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
            self._progress = self._progress.model_copy(update={"reported_at": round(time.time() * 1000)})

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
            shared = Heartbeat._active * _SECONDS_PER_AGENT
            await asyncio.sleep(max(_FIRST_SECONDS, shared * random.random()))
            while True:
                activity.heartbeat(self._progress, round(time.time() * 1000))
                await asyncio.sleep(max(_MIN_SECONDS, Heartbeat._active * _SECONDS_PER_AGENT))
        finally:
            Heartbeat._active -= 1
