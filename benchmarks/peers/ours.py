"""epw: simulated agents, an embedded server on SQLite and one worker process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from benchmarks.makespan import plan_of
from benchmarks.peers.protocol import Graph, serve_async
from benchmarks.server import bench
from epw.core.plan.graph import TaskGraph


@asynccontextmanager
async def engine() -> AsyncIterator[Callable[[Graph], Awaitable[float]]]:
    async with bench() as found:

        async def run(graph: Graph) -> float:
            document, spent = await found.run(plan_of(TaskGraph(graph.dependencies, graph.seconds), graph.agents))
            assert document["success"], document["status"]
            return spent

        yield run


if __name__ == "__main__":
    serve_async(engine(), "epw", "temporalio")
