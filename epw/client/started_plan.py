"""Plan of an execution, as it was started."""

from __future__ import annotations

from typing import Any

from temporalio.client import WorkflowHandle

from epw.core.errors import InvalidRequest
from epw.service.connection import Connection


async def plan_of(connection: Connection, handle: WorkflowHandle[Any, Any]) -> dict[str, Any]:
    """Plan document that an execution was started with; raises `InvalidRequest`."""
    async for event in handle.fetch_history_events(page_size=1):
        payloads = event.workflow_execution_started_event_attributes.input.payloads
        (document,) = await connection.client.data_converter.decode(payloads[:1])
        found: dict[str, Any] = document
        return found
    raise InvalidRequest(f"execution {handle.id!r} has no history")
