"""Plan of an execution, as it was started and as it is with what has joined since."""

from __future__ import annotations

from collections.abc import Mapping
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


def with_added(plan: dict[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    """The plan document with the tasks that were added while it ran, as its result has them."""
    added = result.get("added") or []
    return {**plan, "tasks": [*plan["tasks"], *added]} if added else plan
