"""Result documents of executions: from the workflow's result, its `results` query, or its history."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.documents.hub_results import add_hub_results
from activities.documents.late_delivery import add_late_delivery
from activities.documents.spending import add_spending
from activities.state.execution_store import ExecutionStore
from activities.system.server_time import server_ms
from epw.client.mending import mended
from epw.client.url_hub import catch_up
from epw.core.errors import InvalidPlan, InvalidRequest, Problem, Unavailable, UrlAway, UrlDenied
from epw.core.execution.exit_status import OUTCOMES, STATUS_OF_TEMPORAL
from epw.core.execution.task_state import TERMINAL
from epw.core.failures import UNAVAILABLE
from epw.core.messages import WORKFLOW_TYPE, AgentProgress
from epw.core.plan.wording import did_you_mean
from epw.core.report.history import from_history, task_error, whole
from epw.core.report.model import OPEN, ExecutionResult
from epw.service.connection import Connection
from epw.settings import Settings

_QUERY_TIMEOUT = timedelta(seconds=3)
_DESCRIBE_TIMEOUT = timedelta(seconds=10)
_ROWS_PER_PAGE = 500
_MAX_KNOWN = 500


async def full_document(settings: Settings, handle: WorkflowHandle[Any, Any]) -> ExecutionResult:
    """The result of an execution, whether it runs, has ended, or has no worker.

    Raises `InvalidRequest` for an unknown id and `InvalidPlan` where the plan was refused.
    """
    return await document_of(settings, handle, await describe(handle))


async def document_of(
    settings: Settings, handle: WorkflowHandle[Any, Any], described: WorkflowExecutionDescription
) -> ExecutionResult:
    """As `full_document`, of the run that was described."""
    short = await short_document(handle, described)
    delivery = short.get("delivery") or {}
    named = [*(row.get("commit") for row in short["results"]), delivery.get("base"), delivery.get("head")]
    if commits := [each for each in named if each]:
        # Where the URL is away, its changes are not known here, like those of another machine.
        with contextlib.suppress(UrlAway, UrlDenied):
            await catch_up(settings, handle, described, commits)
    await asyncio.to_thread(mended, ExecutionStore.of(settings.state, described))
    return expanded(settings, short, described)


def expanded(settings: Settings, short: dict[str, Any], described: WorkflowExecutionDescription) -> ExecutionResult:
    """The document with every key, from its short form and the hub."""
    ended = None
    if described.status in (WorkflowExecutionStatus.TERMINATED, WorkflowExecutionStatus.TIMED_OUT):
        ended = STATUS_OF_TEMPORAL[described.status.name]
    document = whole(short if ended is None else {**short, "status": ended}, described.run_id)
    if ended is not None:
        _end_from_outside(document, ended)
    store = ExecutionStore.of(settings.state, described)
    add_late_delivery(document, store)
    add_hub_results(document, store)
    add_spending(document, store)
    if document["status"] in OPEN:
        _so_far(document)
    return document


async def describe(handle: WorkflowHandle[Any, Any]) -> WorkflowExecutionDescription:
    """The server's description of an execution; raises `InvalidRequest` where there is none of this id."""
    try:
        return await handle.describe(rpc_timeout=_DESCRIBE_TIMEOUT)
    except RPCError as error:
        if error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT):
            raise InvalidRequest(unknown(handle.id, await _known_ids(handle))) from None
        raise


def unknown(execution_id: str, known: Iterable[str] = ()) -> str:
    """What a user is told of an id that no execution has."""
    hint = did_you_mean(execution_id, known) or ";"
    return f"no execution {execution_id!r}{hint} `epw list` shows those there are"


async def _known_ids(handle: WorkflowHandle[Any, Any]) -> list[str]:
    """Ids of the newest executions; none where the server does not list them."""
    client: Client = handle._client
    try:
        return [each.id async for each in client.list_workflows(f"WorkflowType = '{WORKFLOW_TYPE}'", limit=_MAX_KNOWN)]
    except RPCError:
        return []


async def progress_of(
    connection: Connection, described: WorkflowExecutionDescription, known: dict[bytes, AgentProgress] | None = None
) -> dict[str, AgentProgress]:
    """Live progress by task, from the heartbeats of running activities.

    `known`: what was decoded at the last look, by its bytes; replaced by what is decoded now.
    """
    found, decoded = {}, dict[bytes, AgentProgress]()
    converter = connection.client.data_converter
    for pending in described.raw_description.pending_activities:
        if pending.heartbeat_details.payloads:
            data = pending.heartbeat_details.payloads[0].data
            if (progress := (known or {}).get(data)) is None:
                (progress,) = await converter.decode(pending.heartbeat_details.payloads[:1], [AgentProgress])
            decoded[data] = progress
            began = pending.last_started_time.ToMilliseconds()
            elapsed = max(0, server_ms() - began) if began else None
            found[progress.task_id] = progress.model_copy(update={"elapsed_ms": elapsed})
    if known is not None:
        known.clear()
        known.update(decoded)
    return found


async def short_results(handle: WorkflowHandle[Any, Any]) -> dict[str, Any]:
    """The document in its short form, as the workflow answers; raises `RPCError`, `WorkflowQueryFailedError`."""
    first = await _query(handle, 0)
    while len(first["results"]) < first["total"]:
        first["results"] += (await _query(handle, len(first["results"])))["results"]
    return first


def results_so_far(
    settings: Settings, short: dict[str, Any], described: WorkflowExecutionDescription
) -> ExecutionResult:
    """The document of an execution that goes on, without what commits hold: cheap, however many tasks it has."""
    document = whole(short, described.run_id)
    add_spending(document, ExecutionStore.of(settings.state, described))
    _so_far(document)
    return document


def never_began(document: Mapping[str, Any]) -> bool:
    """Whether an execution ended before it began, since the environment lacks something."""
    return (document.get("error") or {}).get("type") == UNAVAILABLE.type


def exit_code(document: ExecutionResult) -> int:
    """Exit code of a command for an execution that has ended; 1 for one that was terminated."""
    if never_began(document):
        return Unavailable.exit_code
    outcome = OUTCOMES.get(document["status"])
    return outcome.exit_code if outcome else 1


async def short_document(handle: WorkflowHandle[Any, Any], described: WorkflowExecutionDescription) -> dict[str, Any]:
    """The document as the history or a query holds it."""
    has_result = described.status in (WorkflowExecutionStatus.COMPLETED, WorkflowExecutionStatus.FAILED)
    if has_result and (document := from_history(await _result(handle))) is not None:
        return document
    try:
        return await short_results(handle)
    except (RPCError, WorkflowQueryFailedError):
        # Nobody polls the queue: the state is a function of the history, so compute it here.
        from epw.service.replay import replayed_document

        return await replayed_document(handle, described)


async def _query(handle: WorkflowHandle[Any, Any], offset: int) -> dict[str, Any]:
    page = {"offset": offset, "limit": _ROWS_PER_PAGE}
    found: dict[str, Any] = await handle.query("results", page, rpc_timeout=_QUERY_TIMEOUT)
    return found


async def _result(handle: WorkflowHandle[Any, Any]) -> dict[str, Any]:
    try:
        document: dict[str, Any] = await handle.result()
    except WorkflowFailureError as error:
        cause = error.cause
        if isinstance(cause, ApplicationError) and cause.type == InvalidPlan.__name__:
            raise InvalidPlan([_problem(line) for line in cause.message.splitlines()]) from None
        if isinstance(cause, ApplicationError) and cause.details:
            found: dict[str, Any] = cause.details[0]
            return found
        raise
    return document


def _problem(line: str) -> Problem:
    """A problem from its text: `path: message`."""
    path, separator, message = line.partition(": ")
    is_path = separator and re.fullmatch(r"[\w.\[\]-]+", path)
    return Problem(path, message) if is_path else Problem("", line)


def _so_far(document: ExecutionResult) -> None:
    """Take out of the document of an execution that goes on what is only known at its end."""
    if document["metrics"] is not None:
        for name in ("actualSpeedup", "scheduleDuration", "efficiency", "coordinationOverhead"):
            document["metrics"][name] = None
    for row in document["results"]:
        if row["status"] not in TERMINAL and row["commit"] is None:
            row["changes"] = row["filesModified"] = None


def _end_from_outside(document: ExecutionResult, status: str) -> None:
    """Correct the document of an execution that was terminated, which its workflow could not do."""
    message = f"the execution was {status} from outside"
    document["status"], document["success"] = status, False
    document["error"] = {"type": status, "message": message}
    for row in document["results"]:
        if row["status"] not in TERMINAL:
            row["status"] = "cancelled" if row["attempts"] else "skipped"
            row.pop("waitingFor", None)
            row["error"] = task_error(row["taskId"], type="Terminated", message=message, attempt=row["attempts"])
        row["landed"] = row["landed"] and False
