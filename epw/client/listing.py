"""List of the executions that a server knows."""

from __future__ import annotations

from typing import Any

from temporalio.client import WorkflowExecution
from temporalio.common import SearchAttributeKey

from epw.core.execution.exit_status import STATUS_OF_TEMPORAL
from epw.core.messages import WORKFLOW_TYPE
from epw.core.search_attributes import FAILED_TASKS, STATUS, STRATEGY, WAITING
from epw.service.connection import Connection


async def listed(connection: Connection) -> list[dict[str, Any]]:
    """`{executionId, status, strategy, failedTasks, startedAt, waiting}` of every execution, newest first.

    `startedAt` is epoch milliseconds.
    """
    found = connection.client.list_workflows(f"WorkflowType = '{WORKFLOW_TYPE}'")
    rows = [_listed(execution) async for execution in found]
    return sorted(rows, key=lambda row: row["startedAt"], reverse=True)


def _listed(execution: WorkflowExecution) -> dict[str, Any]:
    attributes = execution.typed_search_attributes
    temporal = STATUS_OF_TEMPORAL.get(execution.status.name if execution.status else "", "running")
    own = attributes.get(SearchAttributeKey.for_keyword(STATUS))
    # A workflow that Temporal ended (terminate, time-out) could not set its own status.
    ended = temporal != "running" and own in (None, "running", "paused")
    return {
        "executionId": execution.id,
        "status": temporal if ended else own or temporal,
        "strategy": attributes.get(SearchAttributeKey.for_keyword(STRATEGY)),
        "failedTasks": attributes.get(SearchAttributeKey.for_int(FAILED_TASKS)),
        "startedAt": int(execution.start_time.timestamp() * 1000),
        "waiting": (attributes.get(SearchAttributeKey.for_keyword(WAITING)) or None) if temporal == "running" else None,
    }
