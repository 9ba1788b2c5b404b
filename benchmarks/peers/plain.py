"""One asyncio loop: what is left without any engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from benchmarks.makespan import plain
from benchmarks.peers.protocol import Graph, serve_async
from epw.core.plan.graph import TaskGraph


@asynccontextmanager
async def engine() -> AsyncIterator[Callable[[Graph], Awaitable[float]]]:
    async def run(graph: Graph) -> float:
        return await plain(TaskGraph(graph.dependencies, graph.seconds), graph.agents)

    yield run


if __name__ == "__main__":
    serve_async(engine())
