"""Heartbeats: live progress for `describe`, no history events; seldom where many agents run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pydantic import ValidationError
from temporalio import activity

from epw.core.messages import AgentProgress

# A cancellation arrives with a heartbeat's answer, so this bounds how late. 1,000 agents at 10 s cost
# the server a quarter of a core, at 1 s more than one.
_FIRST_SECONDS = 0.3
_MIN_SECONDS = 1.0
_SECONDS_AN_AGENT = 0.01
_MAX_FILES = 20
_MAX_WARNINGS = 5
_MAX_WARNING_LENGTH = 500


class Heartbeat:
    """Sends the newest progress of one attempt at a rate that the worker's agents share."""

    _beating = 0

    def __init__(self, progress: AgentProgress) -> None:
        self._progress = progress

    def report(self, fields: dict[str, Any]) -> None:
        """Take over what an agent says of itself; what is no progress is passed over."""
        known = {field.alias or name for name, field in AgentProgress.model_fields.items()}
        own = {"taskId", "agentId", "simulated", "directory", "warnings"}
        told = {name: value for name, value in fields.items() if name in known - own}
        if isinstance(told.get("files"), list):
            told["files"] = [str(file)[:500] for file in told["files"][:_MAX_FILES]]
        if isinstance(told.get("operation"), str):
            told["operation"] = told["operation"][:200]
        try:
            self._progress = AgentProgress.model_validate(self._progress.model_dump(by_alias=True) | told)
        except ValidationError:
            return

    def warn(self, warnings: list[str]) -> None:
        """What is to be shown of what is coming."""
        shown = [each[:_MAX_WARNING_LENGTH] for each in warnings[:_MAX_WARNINGS]]
        self._progress = self._progress.model_copy(update={"warnings": shown})

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """Heartbeats until the block ends."""
        loop = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            loop.cancel()

    async def _beat(self) -> None:
        Heartbeat._beating += 1
        try:
            # A task that ends at once needs none.
            await asyncio.sleep(_FIRST_SECONDS)
            while True:
                activity.heartbeat(self._progress)
                await asyncio.sleep(max(_MIN_SECONDS, Heartbeat._beating * _SECONDS_AN_AGENT))
        finally:
            Heartbeat._beating -= 1
