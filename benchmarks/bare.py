"""Bare Temporal: the same schedule as a minimal workflow, to show what server and SDK cost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from epw.core.plan.graph import TaskGraph
from epw.core.schedule.scheduler import Scheduler

QUEUE = "bare"
EAGER = 1000
"""Activities that a workflow task may hand over at once."""


@activity.defn
async def sleep(seconds: float) -> None:
    """Sleep, the only work of a task here."""
    await asyncio.sleep(seconds)


@workflow.defn(name="Bare")
class Bare:
    """One activity a task, each as soon as its dependencies have ended; nothing is recorded, merged or reported."""

    @workflow.run
    async def run(self, dependencies: dict[str, list[str]], seconds: dict[str, float], agents: int) -> None:
        scheduler = Scheduler(TaskGraph(dependencies, seconds), agents)
        running: dict[asyncio.Future[None], str] = {}
        while True:
            while (next_start := scheduler.next_start()) is not None:
                task = next_start[0]
                handle = workflow.start_activity(
                    sleep, seconds[task], start_to_close_timeout=timedelta(minutes=5), summary=task
                )
                running[handle] = task
            if not running:
                return
            done, _ = await workflow.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for ended in done:
                task = running.pop(ended)
                scheduler.release_agent(task)
                scheduler.landed(task)


@asynccontextmanager
async def bare_worker(client: Client) -> AsyncIterator[None]:
    """Worker for `Bare` with the SDK's fastest settings."""
    async with Worker(
        client,
        task_queue=QUEUE,
        workflows=[Bare],
        activities=[sleep],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_concurrent_activities=1200,
        max_eager_activity_reservations_per_workflow_task=EAGER,
    ):
        yield


async def run_bare(client: Client, graph: TaskGraph, agents: int, identifier: str) -> float:
    """Seconds from start to close of an execution, by the server's clock."""
    return await seconds_of(await execute_bare(client, graph, agents, identifier))


async def execute_bare(client: Client, graph: TaskGraph, agents: int, identifier: str) -> WorkflowHandle[Any, Any]:
    """An execution that has ended."""
    handle = await client.start_workflow(
        "Bare", args=[graph.dependencies, graph.minutes, agents], id=identifier, task_queue=QUEUE
    )
    await handle.result()
    return handle


async def seconds_of(handle: WorkflowHandle[Any, Any]) -> float:
    """Seconds from start to close of an execution that has ended, by the server's clock."""
    found = await handle.describe()
    assert found.close_time is not None
    return (found.close_time - found.start_time).total_seconds()
