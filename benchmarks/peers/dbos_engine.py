"""DBOS in this process, and a workflow that starts tasks as they become ready, the same again after a restart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

from dbos import DBOS

from benchmarks.peers.protocol import Graph, ListSchedule

Start = Callable[[str, float], Awaitable[None]]


@asynccontextmanager
async def engine(start: Start) -> AsyncIterator[Callable[[Graph], Awaitable[float]]]:
    """Runs graphs; `start`: what does a task, by an id of its own and its seconds."""

    async def execute(document: dict[str, Any]) -> None:
        graph, running = Graph(**document), dict[asyncio.Task[None], str]()
        schedule = ListSchedule(graph)
        while True:
            for task in schedule.starts():
                identifier = f"{DBOS.workflow_id}-{task}"
                running[asyncio.ensure_future(start(identifier, graph.seconds[task]))] = task
            if not running:
                return
            # Records which ended first: `asyncio.wait` would go another way after a restart.
            done, _ = await DBOS.asyncio_wait(list(running), return_when=asyncio.FIRST_COMPLETED)
            for ended in [each for each in running if each in done]:
                schedule.ended(running.pop(ended))

    config: Any = {"name": "peers", "system_database_url": "sqlite:///dbos.sqlite", "log_level": "ERROR"}
    DBOS(config=config)
    workflow = DBOS.workflow(name="execute")(execute)
    DBOS.launch()
    try:

        async def run(graph: Graph) -> float:
            document, began = asdict(graph), time.perf_counter()
            await workflow(document)
            return time.perf_counter() - began

        yield run
    finally:
        DBOS.destroy()
