"""Bare Temporal: the same server as ours, one activity a task, nothing else."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count

from benchmarks.bare import bare_worker, run_bare
from benchmarks.peers.protocol import Graph, serve_async
from benchmarks.server import server
from epw.core.plan.graph import TaskGraph


@asynccontextmanager
async def engine() -> AsyncIterator[Callable[[Graph], Awaitable[float]]]:
    numbers = count()
    async with server() as (connection, _), bare_worker(connection.client):

        async def run(graph: Graph) -> float:
            planned, began = TaskGraph(graph.dependencies, graph.seconds), time.perf_counter()
            await run_bare(connection.client, planned, graph.agents, f"bare-{next(numbers)}")
            return time.perf_counter() - began

        yield run


if __name__ == "__main__":
    serve_async(engine(), "temporalio")
