"""`list`: list executions, newest first."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from temporalio.client import WorkflowExecution
from temporalio.common import SearchAttributeKey

from epw.cli.options import JSON_OPTION
from epw.cli.output import print_json
from epw.cli.session import run_connected
from epw.cli.show import table
from epw.core.execution.exit_status import STATUS_OF_TEMPORAL
from epw.core.messages import WORKFLOW_TYPE
from epw.core.search_attributes import STATUS, STRATEGY, WAITING
from epw.service.connection import Connection
from epw.settings import Settings


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
        cells = [[_cell(row[column]) for column in columns] for row in rows]
        table("executions", ["id", "status", "strategy", "started", "waits for"], cells)
        return 0

    run_connected(command, as_json=as_json)


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
        "startedAt": int(execution.start_time.timestamp() * 1000),
        "waiting": (attributes.get(SearchAttributeKey.for_keyword(WAITING)) or None) if temporal == "running" else None,
    }


def _cell(value: Any) -> Any:
    return f"{datetime.fromtimestamp(value / 1000):%Y-%m-%d %H:%M:%S}" if isinstance(value, int) else value
