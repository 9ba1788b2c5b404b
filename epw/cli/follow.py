"""Follow an execution: one plain line for each change, until it ends."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import sys
import time
from collections.abc import Collection
from datetime import datetime, timedelta
from functools import partial
from typing import IO, Any

from temporalio.client import (
    WorkflowExecutionDescription,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
)
from temporalio.service import RPCError, RPCStatusCode

from activities.system.server_time import server_ms
from epw.cli.bell import Bell
from epw.cli.output import printable
from epw.cli.show import steering_line
from epw.cli.show_failures import verify_failed
from epw.cli.show_running import waits_for
from epw.client.away import mark_rows, not_taken, overdue, what_to_do
from epw.client.documents import describe, progress_of, short_document
from epw.client.pollers import has_worker, is_to_be_cancelled, without_worker
from epw.client.requests import retry_while_unavailable
from epw.core.decisions.questions import placeholder
from epw.core.messages import AgentProgress
from epw.core.report.history import empty_row
from epw.core.report.model import OPEN
from epw.service.connection import Connection

_POLL_SECONDS = 0.5
_MAX_POLL_SECONDS = 2.0
_REST_PER_LOOK = 10
"""A look costs worker and server as long as it takes: of thousands of tasks, or on a busy machine, there are fewer."""
_QUERY_TIMEOUT = timedelta(seconds=2)
_FAILING_ATTEMPTS = 3
_NOBODY = (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED, RPCStatusCode.FAILED_PRECONDITION)
"""How the server refuses a query that no worker has taken."""
_UNANSWERED_LOOKS = 2
_ENDED_LOOKS = 4
OWN_WORKER = "the worker of this command does not answer yet"


async def follow(
    connection: Connection, handle: WorkflowHandle[Any, Any], out: IO[str] | None = None, *, own_worker: bool = False
) -> None:
    """Print lines until the execution has ended, however it ends. `own_worker`: the command has started one for it."""
    bell = await Bell.of(connection, handle)
    lines = _Lines(handle.id, out or sys.stdout, bell, own_worker=own_worker)
    ending = asyncio.ensure_future(ended(handle))
    try:
        rest = _POLL_SECONDS
        while not (await asyncio.wait([ending], timeout=rest))[0]:
            began = time.monotonic()
            try:
                described = await describe(handle)
                lines.workflow_task(described)
                untaken = await not_taken(connection, described)
                waiting = overdue(untaken, connection, lines.worker_since)
                lines.away(what_to_do(waiting, connection))
                progress = await handle.query("progress", rpc_timeout=_QUERY_TIMEOUT)
                mark_rows(progress["tasks"], waiting)
                # Before the states: what an attempt reported, it did before its task went on.
                lines.progress(await progress_of(connection, described))
                lines.steering(progress)
                lines.tasks(progress, {each.task_id for each in untaken})
                lines.ended(progress)
                lines.questions(await handle.query("questions", rpc_timeout=_QUERY_TIMEOUT))
                lines.conflicts(await handle.query("conflicts", rpc_timeout=_QUERY_TIMEOUT))
                lines.answered(is_answered=True)
            except RPCError as error:
                is_answered = error.status not in _NOBODY
                lines.answered(
                    is_answered=is_answered,
                    is_certain=not is_answered and not own_worker and not await has_worker(connection),
                )
            except WorkflowQueryFailedError:
                continue
            rest = min(max(_POLL_SECONDS, _REST_PER_LOOK * (time.monotonic() - began)), _MAX_POLL_SECONDS)
        await ending
        with contextlib.suppress(RPCError, WorkflowQueryFailedError):
            last = await short_document(handle, await describe(handle))
            lines.tasks({"tasks": [{"waitingFor": None, **empty_row(row["taskId"]), **row} for row in last["results"]]})
            lines.conflicts(last["conflicts"])
        bell.ring("ended")
    finally:
        ending.cancel()


async def ended(handle: WorkflowHandle[Any, Any]) -> None:
    """Wait for the end of the newest run: a reset ends one and starts another."""
    while (await retry_while_unavailable(partial(describe, handle))).close_time is None:
        with contextlib.suppress(WorkflowFailureError):
            await retry_while_unavailable(handle.result)


class _Lines:
    """Lines about what has changed since the last look."""

    def __init__(self, execution_id: str, out: IO[str], bell: Bell, *, own_worker: bool = False) -> None:
        self._id = execution_id
        self._own_worker = own_worker
        self._is_cancelled = False
        self._out = out
        self._bell = bell
        self._unanswered = self._ended = 0
        self._states: dict[str, str] = {}
        self._progress: dict[str, str] = {}
        self._asked: set[str] = set()
        self._resolutions: dict[str, str] = {}
        self._warned: set[tuple[str, str]] = set()
        self._steered: dict[int, str] = {}
        self._failing_run: str | None = None
        self._away: list[str] = []
        self._was_answered = False
        self.worker_since: int | None = None if own_worker else 0
        """Since when a worker answers (epoch milliseconds), where the command has started one; None: not yet."""

    def workflow_task(self, described: WorkflowExecutionDescription) -> None:
        """Say once a run that its workflow task fails again and again: nothing happens until it is reset."""
        self._is_cancelled = is_to_be_cancelled(described)
        attempts = described.raw_description.pending_workflow_task.attempt
        if attempts >= _FAILING_ATTEMPTS and self._failing_run != described.run_id:
            self._failing_run = described.run_id
            self._line(
                f"the workflow task has failed {attempts - 1} times (Temporal Web UI: the run's history says why); "
                "a worker resets the execution if its history does not replay"
            )

    def away(self, sentences: list[str]) -> None:
        """Say once, while it lasts, which worker is lacking."""
        for sentence in sentences:
            if sentence not in self._away:
                self._line(sentence)
        if self._away and not sentences:
            self._line("a worker takes what waited")
        self._away = sentences

    def steering(self, progress: dict[str, Any]) -> None:
        """Say what people have changed, and again when it has come of it what was to."""
        for index, entry in enumerate(progress.get("steering", [])):
            if self._steered.get(index) != entry["outcome"]:
                self._steered[index] = entry["outcome"]
                self._line(steering_line(entry))

    def tasks(self, progress: dict[str, Any], untaken: Collection[str | None] = ()) -> None:
        """Say which tasks have another status. `untaken`: those whose attempts no worker has taken: they do not run."""
        for task in progress["tasks"]:
            if task["status"] == "running" and task["taskId"] in untaken:
                continue
            waiting = f" ({waits_for(task)})" if task["waitingFor"] else ""
            agent = f" · {task['agentId']}" if task["agentId"] and task["status"] == "running" else ""
            attempt = f" · attempt {task['attempts']}" if task["attempts"] > 1 else ""
            state = f"{task['status']}{waiting}{agent}{attempt}"
            known = self._states.get(task["taskId"])
            if state != known and (known is not None or task["status"] != "pending"):
                self._line(f"{task['taskId']}: {state}")
                if task["status"] in ("failed", "conflicted"):
                    self._bell.ring("failed")
            self._states[task["taskId"]] = state

    def progress(self, progresses: dict[str, AgentProgress]) -> None:
        for task_id, progress in progresses.items():
            percent = f"{_shown(progress):.0f} %" if progress.percent is not None else ""
            state = " · ".join(part for part in (percent, progress.operation or "") if part)
            if state and state != self._progress.get(task_id):
                simulated = " (simulated)" if progress.simulated else ""
                self._line(f"{task_id}: {state}{simulated}", at=progress.reported_at)
            self._progress[task_id] = state
            for warning in progress.warnings:
                if (task_id, warning) not in self._warned:
                    self._warned.add((task_id, warning))
                    self._line(f"{task_id}: warning: {warning}")

    def questions(self, questions: list[dict[str, Any]]) -> None:
        for question in questions:
            if question["answer"] is None and question["id"] not in self._asked:
                self._asked.add(question["id"])
                self._bell.ring("question")
                options = " | ".join(question["options"])
                choices = f" [{options}]" if options else ""
                self._line(f"{question['taskId']} asks {question['id']}: {question['text']}{choices}")
                command = f"epw answer {shlex.quote(self._id)} {question['id']} {placeholder(question['options'])}"
                self._line(f"  answer by: {command}")

    def conflicts(self, conflicts: list[dict[str, Any]]) -> None:
        for conflict in conflicts:
            state = conflict["resolution"] or ""
            if conflict["id"] not in self._resolutions and conflict["type"] != "dependency":
                self._bell.ring("conflict")
            if self._resolutions.get(conflict["id"]) != state:
                by = f" → {state} by {conflict['decidedBy']}" if state else ""
                if conflict["kind"] == "verify":
                    is_told = conflict["id"] in self._resolutions
                    self._line(f"{conflict['tasks'][0] if is_told else verify_failed(conflict)}{by}")
                else:
                    self._line(f"conflict {conflict['id']} [{conflict['kind']}]: {conflict['description']}{by}")
            self._resolutions[conflict["id"]] = state

    def ended(self, progress: dict[str, Any]) -> None:
        """Say once that the outcome is decided, where the execution is still there at the next looks."""
        self._ended += progress["status"] not in OPEN
        if self._ended == _ENDED_LOOKS:
            command = shlex.join(["epw", "cancel", self._id])
            self._line(f"{progress['status']}; it waits for its notices to arrive, which `{command}` ends")

    def answered(self, *, is_answered: bool, is_certain: bool = False) -> None:
        """Note whether a worker answers; say once that none does (at once where that is certain)."""
        if is_answered and self._unanswered >= _UNANSWERED_LOOKS:
            self._line(f"a worker answers{' again' if self._was_answered else ''}")
        self._was_answered |= is_answered
        if is_answered and self.worker_since is None:
            self.worker_since = server_ms()
        looks = 0 if is_answered else self._unanswered + 1
        looks = max(looks, _UNANSWERED_LOOKS) if is_certain else looks
        if self._unanswered < _UNANSWERED_LOOKS <= looks:
            self._line(OWN_WORKER if self._own_worker else without_worker(self._id, is_cancelled=self._is_cancelled))
        self._unanswered = looks

    def _line(self, text: str, at: int | None = None) -> None:
        """Print a line with the time at which it was so (epoch milliseconds), by default now."""
        flat = printable(text).replace("\n", " ")
        moment = datetime.now() if at is None else datetime.fromtimestamp(at / 1000)
        print(f"{moment:%H:%M:%S} {flat}", file=self._out, flush=True)


def _shown(progress: AgentProgress) -> float:
    """The percent that was reported; of a simulated agent, which reports all the time, in quarters."""
    percent = progress.percent or 0.0
    return percent // 25 * 25 if progress.simulated else percent
