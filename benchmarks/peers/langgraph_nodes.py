"""LangGraph: a node a task, checkpoints in SQLite, written before the next superstep begins."""

from __future__ import annotations

import asyncio
import operator
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Annotated, Any, TypedDict

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph

from benchmarks.peers.protocol import Graph, serve_async


class State(TypedDict):
    done: Annotated[int, operator.add]


def node(seconds: float) -> Callable[[State], Awaitable[State]]:
    async def work(_: State) -> State:
        await asyncio.sleep(seconds)
        return {"done": 1}

    return work


def compiled(graph: Graph, saver: Any) -> Any:
    made = StateGraph(State)
    for task in graph.in_order:
        made.add_node(task, node(graph.seconds[task]))
    last = set(graph.dependencies)
    for task, before in graph.dependencies.items():
        made.add_edge(before or START, task)
        last -= set(before)
    for task in sorted(last):
        made.add_edge(task, END)
    return made.compile(checkpointer=saver)


@asynccontextmanager
async def engine() -> AsyncIterator[Callable[[Graph], Awaitable[float]]]:
    threads = count()
    async with AsyncSqliteSaver.from_conn_string("checkpoints.sqlite") as saver:

        async def run(graph: Graph) -> float:
            made = compiled(graph, saver)
            thread = {"configurable": {"thread_id": str(next(threads))}}
            config = {**thread, "max_concurrency": graph.agents, "recursion_limit": len(graph.dependencies) + 2}
            began = time.perf_counter()
            found = await made.ainvoke({"done": 0}, config, durability="sync")
            spent = time.perf_counter() - began
            assert found["done"] == len(graph.dependencies)
            return spent

        yield run


if __name__ == "__main__":
    serve_async(engine(), "langgraph", "langgraph-checkpoint-sqlite")
