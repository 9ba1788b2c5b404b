"""Ticks of an execution's tasks, for the commands that write them: its plan and result from the server."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from temporalio.client import WorkflowHandle

from epw.client.documents import full_document
from epw.client.started_plan import plan_of, with_added
from epw.client.ticking import Ticking
from epw.core.plan.validate import read_plan
from epw.service.connection import Connection
from epw.settings import Settings


async def tick_execution(
    settings: Settings,
    connection: Connection,
    handle: WorkflowHandle[Any, Any],
    ticking: Ticking,
    *,
    in_place: bool = False,
) -> list[str]:
    """Tick what an execution has done; returns lines for people. Raises `InvalidRequest`."""
    document = await full_document(settings, handle)  # First, as it knows which executions there are.
    plan = read_plan(with_added(await plan_of(connection, handle), document), runnable=False)
    return await asyncio.to_thread(partial(ticking.write, plan, document, in_place=in_place))
