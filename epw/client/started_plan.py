"""Plan of an execution, as it was started and as it is with what has joined since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHandle
from temporalio.converter import DataConverter

from epw.core.errors import InvalidRequest
from epw.core.plan.packed import unpacked
from epw.service.connection import Connection


async def plan_of(connection: Connection, handle: WorkflowHandle[Any, Any]) -> dict[str, Any]:
    """Plan document that an execution was started with; raises `InvalidRequest`."""
    async for event in handle.fetch_history_events(page_size=1):
        return await plan_in(event, connection.client.data_converter)
    raise InvalidRequest(f"execution {handle.id!r} has no history")


async def plan_in(started: HistoryEvent, converter: DataConverter) -> dict[str, Any]:
    """Plan document in the first event of an execution; where the execution was given none, what that is instead."""
    (document,) = await converter.decode(started.workflow_execution_started_event_attributes.input.payloads[:1])
    found: dict[str, Any] = unpacked(document)
    return found


def with_added(plan: dict[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    """The plan document with the tasks that were added while it ran, as its result has them."""
    added = result.get("added") or []
    return {**plan, "tasks": [*plan["tasks"], *added]} if added else plan
