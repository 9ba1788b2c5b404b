"""The full document of an execution: from its result, its `results` query, or its history; plus the hub."""

from __future__ import annotations

import re
from datetime import UTC, timedelta
from typing import Any

from temporalio import workflow
from temporalio.client import (
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowHistory,
    WorkflowQueryFailedError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import (
    ExecuteWorkflowInput,
    Interceptor,
    Replayer,
    UnsandboxedWorkflowRunner,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from activities.git import kept_files
from activities.git.changes import changed_paths, changes
from activities.git.command import display_path
from activities.git.hub import Hub
from activities.state.execution_store import ExecutionStore
from epw.core.errors import GitError, InvalidPlan, InvalidRequest, Problem
from epw.core.execution.outcomes import OUTCOMES, STATUS_OF_TEMPORAL
from epw.core.execution.task_state import TERMINAL
from epw.core.failures import recovery_options
from epw.core.naming import slug
from epw.service.converter import data_converter
from epw.settings import Settings
from workflows.execute_parallel import ExecuteParallelWorkflow

_QUERY_TIMEOUT = timedelta(seconds=3)
_PAGE = 500
_WAITS = ("question", "usageLimit", "rateLimit", "files", "resources", "host")


async def full_document(settings: Settings, handle: WorkflowHandle[Any, Any]) -> dict[str, Any]:
    """Section 8's document, whether the execution runs, has ended, or has no worker.

    Raises `InvalidRequest` for an unknown id and `InvalidPlan` where the plan was refused.
    """
    return await complete(settings, handle, await describe(handle))


async def complete(
    settings: Settings, handle: WorkflowHandle[Any, Any], described: WorkflowExecutionDescription
) -> dict[str, Any]:
    """As `full_document`, of the run that was described."""
    document = await _compact(handle, described)
    _complete(settings, document, described)
    return document


async def describe(handle: WorkflowHandle[Any, Any]) -> WorkflowExecutionDescription:
    """What the server says of an execution; raises `InvalidRequest` where there is none of this id."""
    try:
        return await handle.describe(rpc_timeout=timedelta(seconds=10))
    except RPCError as error:
        if error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT):
            raise InvalidRequest(f"no execution {handle.id!r}; `list` shows those there are") from None
        raise


async def _compact(handle: WorkflowHandle[Any, Any], described: WorkflowExecutionDescription) -> dict[str, Any]:
    if described.status in (WorkflowExecutionStatus.COMPLETED, WorkflowExecutionStatus.FAILED):
        document = await _result(handle)
        if not document.pop("truncated", False):
            return document
    try:
        first = await _query(handle, 0)
        while len(first["results"]) < first["total"]:
            first["results"] += (await _query(handle, len(first["results"])))["results"]
        return {name: value for name, value in first.items() if name not in ("offset", "total")}
    except (RPCError, WorkflowQueryFailedError):
        # Nobody polls the queue: the state is a function of the history, so compute it here.
        return await _replayed(handle, described)


async def _query(handle: WorkflowHandle[Any, Any], offset: int) -> dict[str, Any]:
    page = {"offset": offset, "limit": _PAGE}
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


class _Tap(Interceptor):
    """Keeps the workflow object of a replay."""

    def __init__(self) -> None:
        self.seen: list[ExecuteParallelWorkflow] = []

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor] | None:
        seen = self.seen

        class Inbound(WorkflowInboundInterceptor):
            async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
                seen.append(workflow.instance())
                return await super().execute_workflow(input)

        return Inbound


async def replay(history: WorkflowHistory, *interceptors: Interceptor) -> Exception | None:
    """Run the workflow's code against a history; why they do not fit, if they do not."""
    replayer = Replayer(
        workflows=[ExecuteParallelWorkflow],
        data_converter=data_converter,
        interceptors=interceptors,
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    return (await replayer.replay_workflow(history, raise_on_replay_failure=False)).replay_failure


async def _replayed(handle: WorkflowHandle[Any, Any], described: WorkflowExecutionDescription) -> dict[str, Any]:
    tap = _Tap()
    history = await handle.fetch_history()
    await replay(history, tap)
    status = STATUS_OF_TEMPORAL.get(described.status.name if described.status else "", "running")
    if not tap.seen:
        return {
            "success": False,
            "status": status,
            "executionId": handle.id,
            "results": [],
            "conflicts": [],
        } | {
            "questions": [],
            "metrics": None,
            "delivery": None,
            "landingOrder": [],
        }
    last = described.close_time or history.events[-1].event_time.ToDatetime(tzinfo=UTC)
    return tap.seen[0].document(int(last.timestamp() * 1000))


def _complete(settings: Settings, document: dict[str, Any], described: WorkflowExecutionDescription) -> None:
    """Add what the history does not hold: changes, hunks, files, recovery options."""
    execution = ExecutionStore.of(settings.home, described)
    document["runId"] = described.run_id
    if described.status in (WorkflowExecutionStatus.TERMINATED, WorkflowExecutionStatus.TIMED_OUT):
        # The workflow could not say so itself.
        document["status"] = STATUS_OF_TEMPORAL[described.status.name]
        _end(document)
    hub, removed = execution.hub(), execution.kept_results()
    rows = {row["taskId"]: row for row in removed.get("results", [])}
    stored = kept_files.newest(hub, execution.ref("kept")) if hub is not None else {}
    lists = dict(zip(stored, kept_files.listed(hub, list(stored.values())), strict=True)) if hub is not None else {}
    for row in document["results"]:
        gone = rows.get(row["taskId"], {})
        _complete_row(row, execution, hub, gone.get("changes"))
        files = [{**each, "path": display_path(each["path"])} for each in lists.get(slug(row["taskId"]), [])]
        row["kept"] = files or gone.get("kept", [])
    hunks = {each["id"]: each.get("hunks", []) for each in removed.get("conflicts", [])}
    for conflict in document["conflicts"]:
        known = execution.conflict(conflict.get("commit")).get("hunks", [])
        conflict["hunks"] = known or hunks.get(conflict["id"], [])
    delivery = document["delivery"]
    if delivery:
        found = _changed(hub, delivery["base"], delivery["head"])
        delivery["files"] = (removed.get("delivery") or {}).get("files") if found is None else found


def _end(document: dict[str, Any]) -> None:
    """Of an execution that was ended from outside nothing is delivered, and nothing goes on."""
    document["success"] = False
    document["error"] = {"type": document["status"], "message": f"the execution was {document['status']} from outside"}
    for row in document["results"]:
        if row["status"] not in TERMINAL:
            row["status"] = "cancelled" if row.get("attempts") else "skipped"
            row.pop("waitingFor", None)
            row["error"] = {
                "type": "Terminated",
                "message": document["error"]["message"],
                "attempt": row.get("attempts", 0),
            }
        row["landed"] = row["landed"] and False


def _complete_row(
    row: dict[str, Any], execution: ExecutionStore, hub: Hub | None, removed: list[dict[str, Any]] | None
) -> None:
    """Add what the history does not hold to a task's row; `removed`: its changes, where `gc` has removed the commit."""
    for name in (
        "summary",
        "startedAt",
        "finishedAt",
        "duration",
        "usage",
        "peakMemoryMB",
        "cpuSeconds",
        "throttledSeconds",
        "processes",
        "writtenMB",
        "sandbox",
    ):
        row.setdefault(name, None)
    row.setdefault("leftBehind", [])
    row["attempts"] = row.get("attempts", 0)
    row["duration"] = row["duration"] or 0
    row["usage"] = row["usage"] or {"requests": 0, "inputTokens": 0, "outputTokens": 0, "costUSD": None}
    waited = row.get("waitedMs", {})
    row["waitedMs"] = {kind: waited.get(kind, 0) for kind in _WAITS}
    row["changes"] = []
    if hub is not None and row["commit"] is None and row["attempts"] and row["status"] != "succeeded":
        row["commit"] = hub.newest_of(execution.ref("tasks", slug(row["taskId"])))
    if hub is not None and row["commit"]:
        try:
            row["changes"] = changes(hub, hub.parent_of(row["commit"]), row["commit"])
        except GitError:
            row["changes"] = removed
    elif row["commit"] or removed:
        row["changes"] = removed
    # None where nobody knows: the commit is on another machine, or gone.
    row["filesModified"] = None if row["changes"] is None else [change["file"] for change in row["changes"]]
    if row["error"]:
        row["error"] |= {"context": row["taskId"], "recoveryOptions": recovery_options(row["error"]["type"])}


def _changed(hub: Hub | None, base: str | None, head: str | None) -> list[str] | None:
    """What was delivered; None where nobody knows: the commits are gone or on another machine."""
    if base is None or head is None:
        return []
    if hub is None:
        return None
    try:
        return [display_path(path) for path in changed_paths(hub, base, head)]
    except GitError:
        return None


def exit_code(document: dict[str, Any]) -> int:
    """The code of section 4 for an execution that has ended; 1 for one that was terminated."""
    ending = OUTCOMES.get(document["status"])
    return ending.exit_code if ending else 1
