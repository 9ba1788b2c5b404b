"""Executions on Temporal, as the tools see them: start, look, wait, change."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from temporalio.client import WorkflowExecutionDescription, WorkflowHandle, WorkflowQueryFailedError
from temporalio.service import RPCError

from activities.state.execution_store import ExecutionStore
from epw.client.added_tasks import assigned
from epw.client.documents import describe, document_of, progress_of
from epw.client.plan_file import PlanFile
from epw.client.redrive import plan_redrive
from epw.client.report import report_of
from epw.client.requests import from_rpc, no_worker, refuse_after_end, send
from epw.client.saved_changes import KnownExecution
from epw.client.so_far import so_far
from epw.client.start import check_runnable, start_execution
from epw.client.started_plan import plan_of, with_added
from epw.core.errors import InvalidRequest
from epw.core.messages import AgentProgress
from epw.core.plan.additions import read_added
from epw.core.plan.model import Plan
from epw.core.plan.validate import read_plan
from epw.core.report.model import ExecutionResult
from epw.core.report.report import Report
from epw.mcp.call import Call
from epw.mcp.host import Host
from epw.mcp.leave import Leave
from epw.mcp.views import RUNNING, Look, needs

_POLL_SECONDS = 0.5
_SILENT_SECONDS = 30.0
_QUERY_TIMEOUT = timedelta(seconds=2)
State = tuple[ExecutionResult, Mapping[str, AgentProgress]]
"""Result document of an execution, and what its running agents report, by task."""


class Executions:
    """Everything a tool may do with executions. Errors are `EpwError`s."""

    def __init__(self, host: Host, leave: Leave) -> None:
        self._host = host
        self._leave = leave

    async def start(self, document: dict[str, Any], execution_id: str | None, call: Call) -> tuple[str, list[str]]:
        """Start a plan, where the user's leave and this machine allow it; its id, and what a user should know."""
        if document.get("workspace") is not None:
            document = {**document, "workspace": self._leave.check_folder(str(document["workspace"]))}
        file = PlanFile.of(document)
        # The user is asked last, about a plan that can run.
        notes = await asyncio.to_thread(check_runnable, file.plan, here=True)
        await self._leave.check(file.plan, call)
        connection = await self._host.connection()
        handle = await start_execution(connection, file, execution_id)
        await self._host.with_worker()
        return handle.id, [note.removeprefix("warning: ") for note in notes]

    async def retry(self, earlier: str, call: Call) -> tuple[str, dict[str, Any]]:
        """Start an execution that takes over what succeeded in an earlier one; its id, and what runs again and why."""
        await self._found(earlier)
        made = await plan_redrive(self._host.settings, await self._host.connection(), earlier)
        notes = await asyncio.to_thread(check_runnable, made.file.plan, here=True)
        await self._leave.check(made.file.plan, call)
        connection = await self._host.connection()
        handle = await made.start(connection, None)
        await self._host.with_worker()
        warnings = {"warnings": [note.removeprefix("warning: ") for note in notes]} if notes else {}
        return handle.id, {"takenOver": sorted(made.redrive.commits), "runsAgain": made.reasons, **warnings}

    async def state(self, execution_id: str) -> State:
        """The present state; raises `InvalidRequest` where there is no such execution."""
        return (await self._present(execution_id))[1]

    async def wait(self, execution_id: str, call: Call, seconds: float) -> State:
        """The state when the execution has ended, needs a person, rests in a pause, or the time is over.

        Reports progress meanwhile. Raises `Unavailable` where no worker answers for half a minute.
        """
        (handle, _), clock = await self._found(execution_id), asyncio.get_running_loop().time
        deadline, heard, sent, percent = clock() + seconds, clock(), "", 0.0
        while True:
            look = await self._look(handle)
            if look is None or look.tasks:
                heard = clock()
            else:
                await self._host.with_worker()
                if clock() > heard + _SILENT_SECONDS:
                    raise no_worker(execution_id)
            if look is None or look.waits or look.rests or clock() >= deadline:
                document, live = await self._state(handle, await describe(handle))
                is_open = document["status"] in RUNNING and not needs(document)
                # What waited may have been settled in between.
                if look is None or look.rests or not is_open or clock() >= deadline:
                    return document, live
            elif look.tasks and look.line != sent:
                # The protocol wants progress that grows, though an agent may begin again.
                percent, sent = max(percent, look.percent), look.line
                await call.report(percent, 100, sent)
            ending = asyncio.ensure_future(_ended(handle))
            await asyncio.wait([ending], timeout=_POLL_SECONDS)
            ending.cancel()

    async def update(self, execution_id: str, name: str, request: dict[str, Any], by: str) -> dict[str, Any]:
        """Send an update of a client; raises `InvalidRequest` where it is refused."""
        handle, described = await self._found(execution_id)
        await self._host.with_worker()
        if name == "answer":
            await refuse_after_end(self._host.settings, handle, described, request.get("questionId"))
        return await send(handle, name, request, by)

    async def check_added(self, execution_id: str, tasks: list[Any], call: Call) -> list[Any]:
        """Check that the user allows an execution's plan with further tasks; returns them, each with an agent.

        Raises `InvalidPlan`, `InvalidRequest`, `NeedsLeave`, `Unavailable`.
        """
        plan = await self.plan(execution_id)
        added = read_added(plan, tasks, {})
        await self._leave.check(plan.model_copy(update={"tasks": added}), call)
        handle, _ = await self._found(execution_id)
        made, _ = await assigned(await self._host.connection(), handle, tasks)
        return made

    async def cancel(self, execution_id: str) -> None:
        handle, described = await self._found(execution_id)
        if described.close_time is not None:
            raise InvalidRequest(f"execution {execution_id!r} has ended")
        try:
            await handle.cancel()
        except RPCError as error:
            raise from_rpc(error, execution_id) from None
        await self._host.with_worker()

    async def plan(self, execution_id: str) -> Plan:
        """The plan of an execution, with the tasks that have joined since its start."""
        handle, described = await self._found(execution_id)
        started = await plan_of(await self._host.connection(), handle)
        return read_plan(with_added(started, (await self._state(handle, described))[0]))

    async def diff(self, execution_id: str, task_id: str | None) -> str:
        """Change of a task, or from the base to the head of the execution, as a unified diff."""
        described, (document, _) = await self._present(execution_id)
        known = KnownExecution(document, ExecutionStore.of(self._host.settings.state, described))
        ends, hub = known.ends(task_id), known.hub
        if hub is None or ends is None:
            raise InvalidRequest("no change is saved here: nothing was changed, or `gc` has removed it")
        found = await asyncio.to_thread(hub.diff, *ends)
        return found.decode(errors="replace")

    async def report(self, execution_id: str) -> Report:
        """The report, without diffs."""
        await self._present(execution_id)
        return await report_of(self._host.settings, await self._host.connection(), execution_id, has_diffs=False)

    async def _present(self, execution_id: str) -> tuple[WorkflowExecutionDescription, State]:
        """Description and state; one that runs has a worker to ask."""
        handle, described = await self._found(execution_id)
        if described.close_time is None:
            await self._host.with_worker()
        return described, await self._state(handle, described)

    async def _state(self, handle: WorkflowHandle[Any, Any], described: WorkflowExecutionDescription) -> State:
        document = await document_of(self._host.settings, handle, described)
        live: dict[str, AgentProgress] = {}
        if document["status"] in RUNNING:
            with contextlib.suppress(RPCError):
                connection = await self._host.connection()
                live = await progress_of(connection, described)
                document["soFar"] = so_far(document, described, live, await plan_of(connection, handle))
        return document, live

    async def _look(self, handle: WorkflowHandle[Any, Any]) -> Look | None:
        """What is cheap to know of a running execution; None of one that has ended, or whose worker does not answer."""
        described = await describe(handle)
        if described.close_time is not None:
            return None
        try:
            progress = await handle.query("progress", rpc_timeout=_QUERY_TIMEOUT)
            questions = await handle.query("questions", rpc_timeout=_QUERY_TIMEOUT)
            live = await progress_of(await self._host.connection(), described)
        except (RPCError, WorkflowQueryFailedError):
            return Look([], 0, {})
        waits = sum(each["answer"] is None for each in questions)
        return Look(progress["tasks"], waits, live, is_paused=progress["status"] == "paused")

    async def _found(self, execution_id: str) -> tuple[WorkflowHandle[Any, Any], WorkflowExecutionDescription]:
        """Handle and description of an execution whose workspace this server may touch; raises `InvalidRequest`."""
        connection = await self._host.connection()
        handle = connection.client.get_workflow_handle(execution_id)
        described = await describe(handle)
        store = ExecutionStore.of(self._host.settings.state, described)
        place: Any = None
        if (workspace := store.known_workspace()) is not None:
            place = workspace.place
        else:
            document = await plan_of(connection, handle)
            place = document.get("workspace") if isinstance(document, dict) else None
        if isinstance(place, str):
            try:
                self._leave.check_folder(place)
            except InvalidRequest:
                message = f"execution {execution_id!r} works outside the folders that this server may touch"
                raise InvalidRequest(message) from None
        return handle, described


async def _ended(handle: WorkflowHandle[Any, Any]) -> None:
    with contextlib.suppress(Exception):
        await handle.result()
