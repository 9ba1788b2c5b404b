"""Follow an execution: one plain line for each change, until it ends."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from datetime import datetime, timedelta
from functools import partial
from typing import IO, Any

from temporalio.client import (
    WorkflowExecutionDescription,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
)
from temporalio.service import RPCError

from epw.cli.output import printable
from epw.client.documents import describe, progress_of
from epw.client.requests import retry_while_unavailable
from epw.core.messages import AgentProgress
from epw.service.connection import Connection

_POLL_SECONDS = 0.5
_QUERY_TIMEOUT = timedelta(seconds=2)
_FAILING_ATTEMPTS = 3


async def follow(connection: Connection, handle: WorkflowHandle[Any, Any], out: IO[str] | None = None) -> None:
    """Print lines until the execution has ended, however it ends."""
    lines = _Lines(out or sys.stdout)
    ending = asyncio.ensure_future(_ended(handle))
    try:
        while not (await asyncio.wait([ending], timeout=_POLL_SECONDS))[0]:
            with contextlib.suppress(RPCError, WorkflowQueryFailedError):
                described = await describe(handle)
                lines.workflow_task(described)
                lines.tasks(await handle.query("progress", rpc_timeout=_QUERY_TIMEOUT))
                lines.questions(await handle.query("questions", rpc_timeout=_QUERY_TIMEOUT))
                lines.conflicts(await handle.query("conflicts", rpc_timeout=_QUERY_TIMEOUT))
                lines.progress(await progress_of(connection, described))
        await ending
        with contextlib.suppress(RPCError, WorkflowQueryFailedError):
            lines.tasks(await handle.query("progress", rpc_timeout=_QUERY_TIMEOUT))
    finally:
        ending.cancel()


async def _ended(handle: WorkflowHandle[Any, Any]) -> None:
    """Wait for the end of the newest run: a reset ends one and starts another."""
    while (await retry_while_unavailable(partial(describe, handle))).close_time is None:
        with contextlib.suppress(WorkflowFailureError):
            await retry_while_unavailable(handle.result)


class _Lines:
    """Lines about what has changed since the last look."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._states: dict[str, str] = {}
        self._progress: dict[str, str] = {}
        self._asked: set[str] = set()
        self._resolutions: dict[str, str] = {}
        self._warned: set[tuple[str, str]] = set()
        self._failing_run: str | None = None

    def workflow_task(self, described: WorkflowExecutionDescription) -> None:
        """Say once a run that its workflow task fails again and again: nothing happens until it is reset."""
        attempts = described.raw_description.pending_workflow_task.attempt
        if attempts >= _FAILING_ATTEMPTS and self._failing_run != described.run_id:
            self._failing_run = described.run_id
            self._line(
                f"the workflow task has failed {attempts - 1} times (Temporal Web UI: the run's history says why); "
                "a worker resets the execution if its history does not replay"
            )

    def tasks(self, progress: dict[str, Any]) -> None:
        for task in progress["tasks"]:
            waiting = f" ({task['waitingFor']})" if task["waitingFor"] else ""
            agent = f" · {task['agentId']}" if task["agentId"] and task["status"] == "running" else ""
            attempt = f" · attempt {task['attempts']}" if task["attempts"] > 1 else ""
            state = f"{task['status']}{waiting}{agent}{attempt}"
            known = self._states.get(task["taskId"])
            if state != known and (known is not None or task["status"] != "pending"):
                self._line(f"{task['taskId']}: {state}")
            self._states[task["taskId"]] = state

    def progress(self, progresses: dict[str, AgentProgress]) -> None:
        for task_id, progress in progresses.items():
            # A quarter at a time: this is a log, not a live view.
            quarter = f"{int(progress.percent // 25) * 25} %" if progress.percent is not None else ""
            state = " · ".join(part for part in (quarter, progress.operation or "") if part)
            if state and state != self._progress.get(task_id):
                simulated = " (simulated)" if progress.simulated else ""
                self._line(f"{task_id}: {state}{simulated}")
            self._progress[task_id] = state
            for warning in progress.warnings:
                if (task_id, warning) not in self._warned:
                    self._warned.add((task_id, warning))
                    self._line(f"{task_id}: warning: {warning}")

    def questions(self, questions: list[dict[str, Any]]) -> None:
        for question in questions:
            if question["answer"] is None and question["id"] not in self._asked:
                self._asked.add(question["id"])
                options = f" [{' | '.join(question['options'])}]" if question["options"] else ""
                self._line(f"{question['taskId']} asks {question['id']}: {question['text']}{options}")

    def conflicts(self, conflicts: list[dict[str, Any]]) -> None:
        for conflict in conflicts:
            state = conflict["resolution"] or ""
            if self._resolutions.get(conflict["id"]) != state:
                by = f" → {state} by {conflict['decidedBy']}" if state else ""
                self._line(f"conflict {conflict['id']} [{conflict['kind']}]: {conflict['description']}{by}")
            self._resolutions[conflict["id"]] = state

    def _line(self, text: str) -> None:
        flat = printable(text).replace("\n", " ")
        print(f"{datetime.now():%H:%M:%S} {flat}", file=self._out, flush=True)
