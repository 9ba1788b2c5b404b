"""Who stands in line in this worker for room on its machine, as their executions are told."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from temporalio.service import RPCError, RPCStatusCode

from epw.core.plan.requests import InLine

_FIRST_SECONDS = 1.0
_MAX_SECONDS = 60.0
_MAX_REMEMBERED = 1000

Tell = Callable[[str, str, InLine], Awaitable[None]]
"""Sends a run of an execution (workflow id, run id) a message."""


@dataclass
class _Execution:
    tasks: dict[str, None] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    after: float = _FIRST_SECONDS
    telling: asyncio.Task[None] | None = None


class AdmissionNotifier:
    """Tells at growing intervals, since every message costs history; heartbeats say it at once."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._name = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._executions: OrderedDict[tuple[str, str], _Execution] = OrderedDict()

    @contextmanager
    def standing(self, workflow_id: str, run_id: str, task_id: str) -> Iterator[None]:
        """While the block runs, the task stands in line."""
        execution = self._executions.setdefault((workflow_id, run_id), _Execution())
        execution.tasks[task_id] = None
        self._see_to(workflow_id, run_id, execution)
        try:
            yield
        finally:
            del execution.tasks[task_id]
            self._see_to(workflow_id, run_id, execution)

    def _see_to(self, workflow_id: str, run_id: str, execution: _Execution) -> None:
        if execution.telling is None or execution.telling.done():
            execution.telling = asyncio.create_task(self._telling(workflow_id, run_id, execution))
        while len(self._executions) > _MAX_REMEMBERED:
            self._executions.popitem(last=False)

    async def _telling(self, workflow_id: str, run_id: str, execution: _Execution) -> None:
        while list(execution.tasks) != execution.told:
            await asyncio.sleep(execution.after)
            waiting = list(execution.tasks)
            if waiting == execution.told:
                return
            execution.after = min(2 * execution.after, _MAX_SECONDS)
            try:
                await self._tell(workflow_id, run_id, InLine(worker=self._name, tasks=waiting))
                execution.told = waiting
            except RPCError as error:
                # A server that is away is told later, an execution that has ended never.
                if error.status == RPCStatusCode.NOT_FOUND or not waiting:
                    return
