"""Lock-step rounds: many agents whose tasks take the same time, so that all end, and the next all start, at once.

`python -m benchmarks.rounds [--only NAME] [--processes N] [--json FILE] [AGENTS/ROUNDS/SECONDS …]`: ours beside bare
Temporal, one after the other, on one server. Efficiency is rounds × seconds, divided by the seconds from start to close
by the server's clock. CPU is in milliseconds a task: of bare Temporal's worker that of this process, client too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from temporalio.client import WorkflowHandle

from benchmarks.bare import bare_worker, execute_bare, seconds_of
from benchmarks.cost import Processes, history_of
from benchmarks.makespan import plan_of
from benchmarks.server import Bench, bench, revision
from epw.client.start import new_id
from epw.core.plan.graph import TaskGraph

_SIZES = ("100/3/10", "400/3/10", "1000/3/10")
Execute = Callable[[TaskGraph, int], Awaitable[WorkflowHandle[Any, Any]]]


@dataclass(frozen=True)
class Row:
    size: str
    who: str
    load: float
    """Load average before the start."""
    efficiency: float
    lost: float
    """Seconds more than the rounds alone would take."""
    worker_cpu: float
    server_cpu: float
    relay_cpu: float
    turns: int
    """Workflow tasks."""
    slowest_turn: float
    """Seconds of the longest workflow task."""
    failed_turns: int
    """Workflow tasks that failed or timed out."""
    restarted: int
    """Activities that ran more than once."""


def rounds(agents: int, number: int, seconds: float) -> TaskGraph:
    ids = [f"t{n}" for n in range(agents * number)]
    return TaskGraph({each: [] for each in ids}, dict.fromkeys(ids, seconds))


async def measure(who: str, execute: Execute, size: str) -> Row:
    agents, number, seconds = (int(part) for part in size.split("/"))
    load, processes = os.getloadavg()[0], Processes()
    before = processes.cpu()
    handle = await execute(rounds(agents, number, seconds), agents)
    spent = {kind: (after - before[kind]) * 1000 / agents / number for kind, after in processes.cpu().items()}
    wall, ideal, row = await seconds_of(handle), number * seconds, await history_of(handle)
    assert row["status"] == "completed", row["status"]
    return Row(
        size=size,
        who=who,
        load=round(load, 1),
        efficiency=round(ideal / wall, 3),
        lost=round(wall - ideal, 2),
        worker_cpu=round(spent["worker"] if who == "epw" else spent["client"], 2),
        server_cpu=round(spent["server"], 2),
        relay_cpu=round(spent["relay"], 2),
        turns=row["turns"],
        slowest_turn=round(row["slowest"], 2),
        failed_turns=row["failed"],
        restarted=row["restarted"],
    )


def contestants(found: Bench) -> dict[str, Execute]:
    async def ours(graph: TaskGraph, agents: int) -> WorkflowHandle[Any, Any]:
        return (await found.execute(plan_of(graph, agents)))[0]

    async def bare(graph: TaskGraph, agents: int) -> WorkflowHandle[Any, Any]:
        return await execute_bare(found.connection.client, graph, agents, new_id("bare"))

    return {"epw": ours, "bare Temporal": bare}


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", metavar="AGENTS/ROUNDS/SECONDS")
    parser.add_argument("--only", choices=["epw", "bare Temporal"], metavar="NAME")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="worker processes (default: 1)")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/out/rounds.json"), metavar="FILE")
    arguments = parser.parse_args()
    rows = []
    async with bench(arguments.processes) as found, bare_worker(found.connection.client):
        for size in arguments.sizes or _SIZES:
            for who, execute in contestants(found).items():
                if arguments.only in (None, who):
                    rows.append(await measure(who, execute, size))
                    print(rows[-1], flush=True)
    table = Table(*asdict(rows[0]), title=f"lock-step rounds · {revision()} · {os.cpu_count()} CPUs")
    for row in rows:
        table.add_row(*map(str, asdict(row).values()))
    Console(width=180).print(table)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    print(f"written: {arguments.json}")


if __name__ == "__main__":
    asyncio.run(main())
