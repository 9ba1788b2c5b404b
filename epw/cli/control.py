"""`status`, `list`, and the messages to a running execution: `answer`, `pause`, `resume`, `cancel`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer
from rich.text import Text
from temporalio.client import WorkflowExecution
from temporalio.service import RPCError

from epw.cli.documents import describe, full_document
from epw.cli.session import JSON_OPTION, from_rpc, print_json, printable, run_connected, send
from epw.cli.show import console, show_result, table
from epw.cli.watching import progress_of
from epw.core.errors import InvalidRequest
from epw.core.execution.outcomes import STATUS_OF_TEMPORAL
from epw.core.messages import WORKFLOW_TYPE
from epw.service.connection import Connection
from epw.settings import Settings
from workflows.visibility import STATUS, STRATEGY, WAITING

Id = Annotated[str, typer.Argument(metavar="ID", help="The execution's id.")]


def status(execution_id: Id, as_json: bool = JSON_OPTION) -> None:
    """An execution as it stands: tasks, questions, conflicts, metrics, live progress."""

    async def command(settings: Settings, connection: Connection) -> int:
        handle = connection.client.get_workflow_handle(execution_id)
        document = await full_document(settings, handle)
        live = await progress_of(connection, handle)
        document["progress"] = [each.model_dump(by_alias=True) for each in live.values()]
        if as_json:
            print_json(document)
            return 0
        show_result(document)
        rows = [[p.task_id, p.agent_id, p.percent and f"{p.percent:.0f} %", p.operation] for p in live.values()]
        if rows:
            table("running", ["task", "agent", "done", "operation"], rows)
        for warning in (f"warning: {p.task_id}: {each}" for p in live.values() for each in p.warnings):
            console().print(Text(printable(warning)))
        return 0

    run_connected(command, as_json=as_json)


def list_executions(as_json: bool = JSON_OPTION) -> None:
    """All executions, newest first."""

    async def command(settings: Settings, connection: Connection) -> int:
        found = connection.client.list_workflows(f"WorkflowType = '{WORKFLOW_TYPE}'")
        rows = [_listed(execution) async for execution in found]
        rows.sort(key=lambda row: row["startedAt"], reverse=True)
        if as_json:
            print_json(rows)
            return 0
        columns = ["executionId", "status", "strategy", "startedAt", "waiting"]
        shown = [[_cell(row[column]) for column in columns] for row in rows]
        table("executions", ["id", "status", "strategy", "started", "waits for"], shown)
        return 0

    run_connected(command, as_json=as_json)


def answer(
    execution_id: Id,
    question: Annotated[str, typer.Argument(help="The question's id.")],
    text: str,
    as_json: bool = JSON_OPTION,
) -> None:
    """Answer a question; the first answer wins."""
    _message(execution_id, "answer", {"questionId": question, "text": text}, as_json)


def resolve(
    execution_id: Id,
    conflict: Annotated[str, typer.Argument(help="The conflict's id.")],
    choice: Annotated[str, typer.Argument(help="One of the options of its question.")],
    as_json: bool = JSON_OPTION,
) -> None:
    """Choose what becomes of a conflict that waits for a person; the first choice wins."""
    _message(execution_id, "resolve_conflict", {"conflictId": conflict, "choice": choice}, as_json)


def pause(execution_id: Id, as_json: bool = JSON_OPTION) -> None:
    """Start nothing new; running tasks finish."""
    _message(execution_id, "pause", {}, as_json)


def resume(execution_id: Id, as_json: bool = JSON_OPTION) -> None:
    """Go on after `pause`."""
    _message(execution_id, "resume", {}, as_json)


def cancel(execution_id: Id, as_json: bool = JSON_OPTION) -> None:
    """Stop an execution: its agents end, nothing is delivered, commits are kept."""

    async def command(settings: Settings, connection: Connection) -> int:
        handle = connection.client.get_workflow_handle(execution_id)
        try:
            described = await describe(handle)
            if described.close_time is not None:
                raise InvalidRequest(f"execution {execution_id!r} has ended")
            await handle.cancel()
        except RPCError as error:
            raise from_rpc(error, execution_id) from None
        answer = {"executionId": execution_id, "cancelRequested": True}
        print_json(answer) if as_json else print(f"{printable(execution_id)}: cancellation requested")
        return 0

    run_connected(command, as_json=as_json)


def _message(execution_id: str, update: str, request: dict[str, Any], as_json: bool) -> None:
    async def command(settings: Settings, connection: Connection) -> int:
        answered = await send(connection.client.get_workflow_handle(execution_id), update, request)
        print_json(answered) if as_json else print(f"{printable(execution_id)}: {update} accepted")
        return 0

    run_connected(command, as_json=as_json)


def _listed(execution: WorkflowExecution) -> dict[str, Any]:
    attributes = execution.typed_search_attributes
    temporal = STATUS_OF_TEMPORAL.get(execution.status.name if execution.status else "", "running")
    shown = attributes.get(STATUS)
    # What Temporal ended (terminate, time-out) could not say so itself.
    ended = temporal != "running" and shown in (None, "running", "paused")
    return {
        "executionId": execution.id,
        "status": temporal if ended else shown or temporal,
        "strategy": attributes.get(STRATEGY),
        "startedAt": int(execution.start_time.timestamp() * 1000),
        "waiting": (attributes.get(WAITING) or None) if temporal == "running" else None,
    }


def _cell(value: Any) -> Any:
    return f"{datetime.fromtimestamp(value / 1000):%Y-%m-%d %H:%M:%S}" if isinstance(value, int) else value
