"""Notifications to executions about their attempts that wait in a worker's admission queue."""

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
_MAX_HOLDERS = 5

Notify = Callable[[str, str, InLine], Awaitable[None]]
"""Sends a message to one run of an execution: workflow id, run id, message."""


@dataclass
class _Execution:
    interval: float
    tasks: dict[str, None] = field(default_factory=dict)
    holders: dict[str, None] = field(default_factory=dict)
    notified: list[str] = field(default_factory=list)
    sending: asyncio.Task[None] | None = None


class AdmissionNotifier:
    """Sender of the waiting tasks, at growing intervals: a message costs history, and heartbeats show them at once."""

    def __init__(self, notify: Notify, first_seconds: float = _FIRST_SECONDS) -> None:
        self._notify = notify
        self._first_seconds = first_seconds
        self._name = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._executions: OrderedDict[tuple[str, str], _Execution] = OrderedDict()

    @contextmanager
    def queued(self, workflow_id: str, run_id: str, task_id: str) -> Iterator[None]:
        """Count the task among those that wait while the block runs."""
        execution = self._of(workflow_id, run_id)
        execution.tasks[task_id] = None
        self._schedule(workflow_id, run_id, execution)
        try:
            yield
        finally:
            del execution.tasks[task_id]
            self._schedule(workflow_id, run_id, execution)

    @contextmanager
    def holding(self, workflow_id: str, run_id: str, task_id: str) -> Iterator[None]:
        """Count the task among those that others wait for while the block runs."""
        execution = self._of(workflow_id, run_id)
        execution.holders[task_id] = None
        try:
            yield
        finally:
            del execution.holders[task_id]

    def _of(self, workflow_id: str, run_id: str) -> _Execution:
        found = self._executions.setdefault((workflow_id, run_id), _Execution(self._first_seconds))
        while len(self._executions) > _MAX_REMEMBERED:
            self._executions.popitem(last=False)
        return found

    def _schedule(self, workflow_id: str, run_id: str, execution: _Execution) -> None:
        if execution.sending is None or execution.sending.done():
            execution.sending = asyncio.create_task(self._send(workflow_id, run_id, execution))

    async def _send(self, workflow_id: str, run_id: str, execution: _Execution) -> None:
        while list(execution.tasks) != execution.notified:
            await asyncio.sleep(execution.interval)
            waiting = list(execution.tasks)
            if waiting == execution.notified:
                return
            execution.interval = min(2 * execution.interval, _MAX_SECONDS)
            message = InLine(worker=self._name, tasks=waiting, holders=list(execution.holders)[:_MAX_HOLDERS])
            try:
                await self._notify(workflow_id, run_id, message)
                execution.notified = waiting
            except RPCError as error:
                # Retried where the server is away; given up where the execution has ended.
                if error.status == RPCStatusCode.NOT_FOUND or not waiting:
                    return
