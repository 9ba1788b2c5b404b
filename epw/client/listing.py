"""List of the executions that a server knows."""

from __future__ import annotations

from typing import Any

from temporalio.client import WorkflowExecution
from temporalio.common import SearchAttributeKey

from activities.documents.late_delivery import status_since_delivery
from activities.state.execution_store import ExecutionStore
from activities.state.state_directory import StateDirectory
from epw.core.execution.exit_status import STATUS_OF_TEMPORAL
from epw.core.messages import WORKFLOW_TYPE
from epw.core.search_attributes import FAILED_TASKS, STATUS, STRATEGY, WAITING
from epw.service.connection import Connection


async def listed(connection: Connection) -> list[dict[str, Any]]:
    """`{executionId, status, strategy, failedTasks, startedAt, waiting}` of every execution, newest first.

    `startedAt` is epoch milliseconds.
    """
    found = connection.client.list_workflows(f"WorkflowType = '{WORKFLOW_TYPE}'")
    rows = [_listed(execution, connection.state) async for execution in found]
    return sorted(rows, key=lambda row: row["startedAt"], reverse=True)


def _listed(execution: WorkflowExecution, state: StateDirectory | None) -> dict[str, Any]:
    attributes = execution.typed_search_attributes
    temporal = STATUS_OF_TEMPORAL.get(execution.status.name if execution.status else "", "running")
    own = attributes.get(SearchAttributeKey.for_keyword(STATUS))
    # A workflow that Temporal ended (terminate, time-out) could not set its own status.
    ended = temporal != "running" and own in (None, "running", "paused")
    status = temporal if ended else own or temporal
    if status == "undelivered" and state is not None and execution.run_id:
        status = status_since_delivery(ExecutionStore(state, execution.id, execution.run_id)) or status
    return {
        "executionId": execution.id,
        "status": status,
        "strategy": attributes.get(SearchAttributeKey.for_keyword(STRATEGY)),
        "failedTasks": attributes.get(SearchAttributeKey.for_int(FAILED_TASKS)),
        "startedAt": int(execution.start_time.timestamp() * 1000),
        "waiting": (attributes.get(SearchAttributeKey.for_keyword(WAITING)) or None) if temporal == "running" else None,
    }
