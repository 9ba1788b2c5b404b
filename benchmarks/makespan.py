"""Makespan against the ideal: ours beside bare Temporal, a plain asyncio run and level barriers.

`python -m benchmarks.makespan [--quick] [--json FILE]`. The same graphs, interleaved. Efficiency is the list
schedule of the planned seconds divided by the measured wall time; `epw metric` is the result's own
`efficiency`: the list schedule of the measured durations, divided by the same wall time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.bare import bare_worker, run_bare
from benchmarks.graphs import fan, independent, layered
from benchmarks.server import Bench, bench, revision
from epw.client.start import new_id
from epw.core.plan.graph import TaskGraph
from epw.core.schedule.prediction import makespan, predict
from epw.core.schedule.scheduler import Scheduler

Run = Callable[[TaskGraph, int], Awaitable[float]]


def plan_of(graph: TaskGraph, agents: int) -> dict[str, Any]:
    tasks = [
        {
            "id": task,
            "description": task,
            "dependsOn": graph.dependencies[task],
            "estimatedMinutes": graph.minutes[task] or 1,
            "simulate": {"seconds": graph.minutes[task]},
        }
        for task in graph.ids
    ]
    return {"agent": "simulated", "maxAgents": agents, "tasks": tasks}


def no_op_plan(count: int, agents: int) -> dict[str, Any]:
    tasks = [{"id": f"n{n}", "description": "no-op", "simulate": {"seconds": 0}} for n in range(count)]
    return {"agent": "simulated", "maxAgents": agents, "tasks": tasks}


async def plain(graph: TaskGraph, agents: int) -> float:
    """The same schedule in one asyncio loop: no durability, no server."""
    scheduler, began = Scheduler(graph, agents), time.perf_counter()
    running: dict[asyncio.Task[None], str] = {}
    while True:
        while (start := scheduler.next_start()) is not None:
            running[asyncio.create_task(asyncio.sleep(graph.minutes[start[0]]))] = start[0]
        if not running:
            return time.perf_counter() - began
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for ended in done:
            task = running.pop(ended)
            scheduler.release_agent(task)
            scheduler.landed(task)


async def barriers(graph: TaskGraph, agents: int) -> float:
    """Run level after level, each awaited as a whole."""
    began, slots = time.perf_counter(), asyncio.Semaphore(agents)

    async def one(task: str) -> None:
        async with slots:
            await asyncio.sleep(graph.minutes[task])

    for level in graph.levels:
        await asyncio.gather(*(one(task) for task in level))
    return time.perf_counter() - began


async def measure(found: Bench, quick: bool) -> dict[str, Any]:
    async def ours(graph: TaskGraph, agents: int) -> float:
        document, _ = await found.run(plan_of(graph, agents))
        assert document["success"], document["status"]
        measured.append(document["metrics"]["efficiency"])
        return float(document["metrics"]["totalDuration"]) / 1000

    async def bare(graph: TaskGraph, agents: int) -> float:
        return await run_bare(found.connection.client, graph, agents, new_id("bare"))

    rounds = 1 if quick else 3
    measured: list[float] = []
    graphs = {
        "50 layered / 10": (layered(50, 12, 1), 10),
        "50 independent / 10": (independent(50, 2), 10),
        "50 fan / 10": (fan(50, 3), 10),
    }
    contestants: dict[str, Run] = {"epw": ours, "bare Temporal": bare, "asyncio": plain, "barriers": barriers}
    efficiency = []
    for name, (graph, agents) in graphs.items():
        ideal = makespan(predict(graph, agents))
        measured.clear()
        walls: dict[str, list[float]] = {contestant: [] for contestant in contestants}
        for _ in range(rounds):
            for contestant, run in contestants.items():
                walls[contestant].append(await run(graph, agents))
        row: dict[str, Any] = {"graph": name, "ideal": round(ideal, 2)}
        row |= {contestant: round(ideal / statistics.median(times), 4) for contestant, times in walls.items()}
        row["epw metric"] = statistics.median(measured)
        efficiency.append(row)
    return {
        "revision": revision(),
        "efficiency": efficiency,
        "sizes": [await _size(found, count, agents) for count, agents in ((10, 3), (20, 5), (50, 10))],
        "scaling": [await _size(found, 60, agents) for agents in (1, 2, 5, 10)] if not quick else [],
        "noOp": await _no_ops(found, rounds),
        "memory": await _memory(found, 20 if quick else 200),
    }


async def _size(found: Bench, count: int, agents: int) -> dict[str, Any]:
    """Measured speedup beside the estimate, overhead beside the list schedule."""
    graph = layered(count, agents * 2, count, mean=0.5)
    document, _ = await found.run(plan_of(graph, agents))
    metrics = document["metrics"]
    return {
        "size": f"{count} / {agents}",
        "speedup": metrics["actualSpeedup"],
        "estimate": metrics["estimatedSpeedup"],
        "ofEstimate": round(metrics["actualSpeedup"] / metrics["estimatedSpeedup"], 4),
        "overhead": metrics["coordinationOverhead"],
    }


async def _no_ops(found: Bench, rounds: int) -> dict[str, Any]:
    each = [(await found.run(no_op_plan(500, 50)))[1] * 1000 / 500 for _ in range(rounds)]
    return {"tasks": 500, "msPerTask": round(statistics.median(each), 2)}


async def _memory(found: Bench, executions: int) -> dict[str, Any]:
    """Resident memory of the worker after a tenth of the executions and after all."""
    worker = next(child for child in psutil.Process().children() if "epw.service.worker_process" in child.cmdline())
    early = 0
    for number in range(executions):
        await found.run(no_op_plan(10, 5))
        if number == executions // 10:
            early = worker.memory_info().rss
    late = worker.memory_info().rss
    return {"executions": executions, "earlyMB": early >> 20, "lateMB": late >> 20, "ratio": round(late / early, 3)}


def show(found: dict[str, Any]) -> None:
    console = Console()
    for name in ("efficiency", "sizes", "scaling"):
        rows = found[name]
        if not rows:
            continue
        table = Table(*rows[0], title=f"{name} · {found['revision']}")
        for row in rows:
            table.add_row(*(str(value) for value in row.values()))
        console.print(table)
    console.print(f"no-op tasks: {found['noOp']['msPerTask']} ms a task ({found['noOp']['tasks']} tasks)")
    memory = found["memory"]
    console.print(
        f"worker memory over {memory['executions']} executions: {memory['earlyMB']} → {memory['lateMB']} MB"
        f" (× {memory['ratio']})"
    )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round, fewer executions")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/out/makespan.json"), metavar="FILE")
    arguments = parser.parse_args()
    async with bench() as found, bare_worker(found.connection.client):
        result = await measure(found, arguments.quick)
    show(result)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    print(f"written: {arguments.json}")


if __name__ == "__main__":
    asyncio.run(main())
