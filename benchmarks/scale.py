"""Size: what a task costs in executions of 1,000 to 10,000 tasks, with and without a workspace.

`python -m benchmarks.scale [--quick] [--json FILE] [TASKS/AGENTS[/w] …]`; `w`: with a workspace, where each task
writes a file. CPU is that of the processes of worker and server. Tasks are simulated.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle

from benchmarks.server import Bench, bench, revision

_SIZES = ("1000/100", "4000/100", "10000/100", "1000/1000", "4000/1000", "2000/100/w")
_QUICK = ("1000/100", "2000/100")
_SAMPLED_SECONDS = 0.5


@dataclass(frozen=True)
class Row:
    """What one execution has cost. CPU and wall time in milliseconds a task, memory in MB."""

    size: str
    status: str
    wall: float
    worker_cpu: float
    server_cpu: float
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


class _Processes:
    """CPU and memory of the processes below this one, by what they are."""

    def __init__(self) -> None:
        self.peaks: Counter[str] = Counter()

    def cpu(self) -> dict[str, float]:
        """Seconds so far; notes peaks of memory."""
        found = {"worker": 0.0, "server": 0.0}
        for process in psutil.Process().children(recursive=True):
            try:
                line = " ".join(process.cmdline())
                kind = "server" if "server start-dev" in line else "worker" if "worker_process" in line else None
                if kind is not None:
                    times = process.cpu_times()
                    found[kind] += times.user + times.system
                    self.peaks[kind] = max(self.peaks[kind], process.memory_info().rss >> 20)
            except psutil.Error:
                continue
        return found

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(_SAMPLED_SECONDS)
            self.cpu()


def plan_of(tasks: int, agents: int, workspace: Path | None) -> dict[str, Any]:
    """A plan of independent tasks that take no time."""

    def simulated(number: int) -> dict[str, Any]:
        return {"writes": {f"d{number // 100}/{number}": f"{number}\n"}} if workspace else {}

    rows = [{"id": f"n{n}", "description": "no-op", "simulate": simulated(n)} for n in range(tasks)]
    plan = {"agent": "simulated", "maxAgents": agents, "tasks": rows}
    return {**plan, "workspace": str(workspace), "checks": "off"} if workspace else plan


async def measure(found: Bench, size: str) -> Row:
    count, agents, *more = size.split("/")
    tasks, processes = int(count), _Processes()
    with tempfile.TemporaryDirectory(prefix="epw-scale-") as folder:
        workspace = _repository(Path(folder)) if more else None
        before, watching = processes.cpu(), asyncio.create_task(processes.watch())
        handle, wall = await found.execute(plan_of(tasks, int(agents), workspace))
        watching.cancel()
        after = processes.cpu()
        spent = {kind: after[kind] - before[kind] for kind in after}
        row = await _history(handle)
        return Row(
            size=size,
            wall=round(wall * 1000 / tasks, 2),
            worker_cpu=round(spent["worker"] * 1000 / tasks, 2),
            server_cpu=round(spent["server"] * 1000 / tasks, 2),
            events=round(row["events"] / tasks, 2),
            kilobytes=round(row["bytes"] / 1024 / tasks, 2),
            histories=row["runs"],
            slowest_turn=round(row["slowest"], 2),
            failed_turns=row["failed"],
            status=row["status"],
            worker_mb=processes.peaks["worker"],
            server_mb=processes.peaks["server"],
        )


async def _history(handle: WorkflowHandle[Any, Any]) -> dict[str, Any]:
    """Events, bytes and workflow tasks of all runs of an execution."""
    found: dict[str, Any] = {"events": 0, "bytes": 0, "runs": 0, "slowest": 0.0, "failed": 0, "status": ""}
    run_id: str | None = handle.first_execution_run_id
    while run_id is not None:
        run = handle._client.get_workflow_handle(handle.id, run_id=run_id)
        run_id, began, found["runs"] = None, {}, found["runs"] + 1
        async for event in run.fetch_history_events():
            found["events"] += 1
            found["bytes"] += event.ByteSize()
            kind = event.event_type
            found["status"] = EventType.Name(kind).removeprefix("EVENT_TYPE_WORKFLOW_EXECUTION_").lower()
            if kind == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED:
                began[event.event_id] = event.event_time.ToNanoseconds()
            elif kind == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
                start = began[event.workflow_task_completed_event_attributes.started_event_id]
                found["slowest"] = max(found["slowest"], (event.event_time.ToNanoseconds() - start) / 1e9)
            elif kind in (EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED, EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT):
                found["failed"] += 1
            elif kind == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
                run_id = event.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return found


def _repository(folder: Path) -> Path:
    path = folder / "repo"
    for argv in (["init", "-q", str(path)], ["-C", str(path), "commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", "-c", "user.name=b", "-c", "user.email=b@example.org", *argv], check=True)
    return path


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", metavar="TASKS/AGENTS[/w]")
    parser.add_argument("--quick", action="store_true", help="two small sizes")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/out/scale.json"), metavar="FILE")
    arguments = parser.parse_args()
    async with bench() as found:
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
