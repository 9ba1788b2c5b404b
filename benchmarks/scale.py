"""Size: what a task costs in executions of 1,000 to 10,000 tasks, with and without a workspace.

`python -m benchmarks.scale [--quick] [--json FILE] [TASKS/AGENTS[/w] …]`; `w`: with a workspace, where each task
writes a file. CPU is that of the processes of worker and server, and of what relays between them. Tasks are simulated.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.cost import Processes, history_of
from benchmarks.server import Bench, bench, revision

_SIZES = ("1000/100", "4000/100", "10000/100", "1000/1000", "4000/1000", "2000/100/w")
_QUICK = ("1000/100", "2000/100")


@dataclass(frozen=True)
class Row:
    """What one execution has cost. CPU and wall time in milliseconds a task, memory in MB."""

    size: str
    status: str
    wall: float
    worker_cpu: float
    server_cpu: float
    relay_cpu: float
    events: float
    """Events of its history a task."""
    kilobytes: float
    """Size of its history a task."""
    histories: int
    slowest_turn: float
    """Seconds of the longest workflow task."""
    failed_turns: int
    """Workflow tasks that failed or timed out."""
    worker_mb: int
    server_mb: int


def plan_of(tasks: int, agents: int, workspace: Path | None) -> dict[str, Any]:
    """A plan of independent tasks that take no time."""

    def simulated(number: int) -> dict[str, Any]:
        return {"writes": {f"d{number // 100}/{number}": f"{number}\n"}} if workspace else {}

    rows = [{"id": f"n{n}", "description": "no-op", "simulate": simulated(n)} for n in range(tasks)]
    plan = {"agent": "simulated", "maxAgents": agents, "tasks": rows}
    return {**plan, "workspace": str(workspace), "checks": "off"} if workspace else plan


async def measure(found: Bench, size: str) -> Row:
    count, agents, *more = size.split("/")
    tasks, processes = int(count), Processes()
    with tempfile.TemporaryDirectory(prefix="epw-scale-") as folder:
        workspace = _repository(Path(folder)) if more else None
        before, watching = processes.cpu(), asyncio.create_task(processes.watch())
        handle, wall = await found.execute(plan_of(tasks, int(agents), workspace))
        watching.cancel()
        after = processes.cpu()
        spent = {kind: after[kind] - before[kind] for kind in after}
        row = await history_of(handle)
        return Row(
            size=size,
            wall=round(wall * 1000 / tasks, 2),
            worker_cpu=round(spent["worker"] * 1000 / tasks, 2),
            server_cpu=round(spent["server"] * 1000 / tasks, 2),
            relay_cpu=round(spent["relay"] * 1000 / tasks, 2),
            events=round(row["events"] / tasks, 2),
            kilobytes=round(row["bytes"] / 1024 / tasks, 2),
            histories=row["runs"],
            slowest_turn=round(row["slowest"], 2),
            failed_turns=row["failed"],
            status=row["status"],
            worker_mb=processes.peaks["worker"],
            server_mb=processes.peaks["server"],
        )


def _repository(folder: Path) -> Path:
    path = folder / "repo"
    for argv in (["init", "-q", str(path)], ["-C", str(path), "commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", "-c", "user.name=b", "-c", "user.email=b@example.org", *argv], check=True)
    return path


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", metavar="TASKS/AGENTS[/w]")
    parser.add_argument("--quick", action="store_true", help="two small sizes")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="worker processes (default: 1)")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/out/scale.json"), metavar="FILE")
    arguments = parser.parse_args()
    async with bench(arguments.processes) as found:
        rows = [await measure(found, size) for size in arguments.sizes or (_QUICK if arguments.quick else _SIZES)]
    table = Table(*asdict(rows[0]), title=f"size · {revision()}")
    for row in rows:
        table.add_row(*map(str, asdict(row).values()))
    Console(width=180).print(table)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    print(f"written: {arguments.json}")


if __name__ == "__main__":
    asyncio.run(main())
