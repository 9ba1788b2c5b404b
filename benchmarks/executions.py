"""Executions for measurements: plans of tasks that do next to nothing, what running them took, from CPU and history."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from benchmarks.server import Bench
from epw.core.messages import LAND

_MOST_RUNS, _REPEATED_SECONDS = 6, 4.0
"""How often an execution is repeated at most, and the time after which it is not."""


@dataclass(frozen=True)
class Run:
    """An execution as it was measured; seconds."""

    plan: dict[str, Any]
    wall: float
    threads: float
    """CPU of the worker."""
    processes: float
    """CPU of its children."""
    server: float
    others: float
    """Cores that other programs used meanwhile."""
    turns: int
    first: float
    """From the start until the first activity was asked for."""
    lasted: float
    """From the start to the end, by its history."""
    last: float
    """From the end of the last activity to the end."""
    steps: dict[str, list[float]]
    """Times of the activities, by type."""
    landed: list[int]
    """Changes of each landing."""

    @property
    def tasks(self) -> int:
        return len(self.plan["tasks"])


def chain(count: int, seconds: float = 0.0, **simulate: Any) -> dict[str, Any]:
    return _plan([[n - 1] if n else [] for n in range(count)], 1, seconds, simulate)


def crowd(count: int, agents: int, seconds: float = 0.0, **simulate: Any) -> dict[str, Any]:
    return _plan([[] for _ in range(count)], agents, seconds, simulate)


def commands(count: int) -> dict[str, Any]:
    """A chain of processes that end at once."""
    rows = [
        {"id": f"n{n}", "description": "no-op", "dependsOn": [f"n{n - 1}"] if n else [], "run": "true"}
        for n in range(count)
    ]
    return {"agent": "command", "maxAgents": 1, "tasks": rows}


def _plan(before: list[list[int]], agents: int, seconds: float, simulate: dict[str, Any]) -> dict[str, Any]:
    rows = []
    for n, each in enumerate(before):
        what = {"seconds": seconds, **simulate}
        if what.get("writes"):
            what["writes"] = {f"d{n // 100}/{n}": f"{n}\n"}
        rows.append({"id": f"n{n}", "description": "no-op", "dependsOn": [f"n{m}" for m in each], "simulate": what})
    return {"agent": "simulated", "maxAgents": agents, "tasks": rows}


async def measure(found: Bench, plan: dict[str, Any], files: int | None = None) -> Run:
    """Run a plan; `files`: in a repository with so many, None: without a workspace."""
    if files is None:
        return await execute(found, plan)
    with tempfile.TemporaryDirectory(prefix="epw-costs-") as folder:
        workspace = str(repository(Path(folder), files))
        return await execute(found, {**plan, "workspace": workspace, "checks": "off"})


async def execute(found: Bench, plan: dict[str, Any]) -> Run:
    """The quickest of some executions of the plan, a long one the only one: nothing else makes any quicker."""
    runs: list[Run] = []
    while not runs or (len(runs) < _MOST_RUNS and sum(run.wall for run in runs) < _REPEATED_SECONDS):
        runs.append(await _execute(found, plan))
    return min(runs, key=lambda run: run.wall)


async def _execute(found: Bench, plan: dict[str, Any]) -> Run:
    before = _cpu()
    handle, wall = await found.execute(plan)
    after = _cpu()
    events = [event async for event in handle.fetch_history_events()]
    threads, processes, server, others = (late - early for late, early in zip(after, before, strict=True))
    return Run(plan, wall, threads, processes, server, others / wall, *_of_history(events))


def repository(folder: Path, files: int) -> Path:
    path = folder / "repository"
    for number in range(files):
        file = path / f"d{number // 50}" / f"m{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{number}\n" * 80)
    path.mkdir(exist_ok=True)
    author = ("-c", "user.name=bench", "-c", "user.email=bench@example.org")
    for argv in (("init",), ("add", "--all"), (*author, "commit", "--allow-empty", "--message", "base")):
        subprocess.run(["git", *argv], cwd=path, check=True, capture_output=True)
    return path


def _cpu() -> tuple[float, float, float, float]:
    """Seconds of CPU so far: of the worker, of its children that have ended, of the server, of all other programs."""
    threads = processes = server = 0.0
    all_cores = psutil.cpu_times()
    busy = sum(all_cores) - all_cores.idle - all_cores.iowait
    for process in psutil.Process().children(recursive=True):
        try:
            line, times = " ".join(process.cmdline()), process.cpu_times()
        except psutil.Error:
            continue
        if "server start-dev" in line:
            server += times.user + times.system
        elif "worker_process" in line:
            threads += times.user + times.system
            processes += times.children_user + times.children_system
    own = psutil.Process().cpu_times()
    return threads, processes, server, busy - threads - processes - server - own.user - own.system


def _of_history(events: list[HistoryEvent]) -> tuple[int, float, float, float, dict[str, list[float]], list[int]]:
    names: dict[int, str] = {}
    began: dict[int, float] = {}
    steps: dict[str, list[float]] = {}
    landed: list[int] = []
    turns, first, last = 0, None, 0.0
    start = events[0].event_time.ToNanoseconds() / 1e9
    for event in events:
        at = event.event_time.ToNanoseconds() / 1e9 - start
        if event.HasField("activity_task_scheduled_event_attributes"):
            asked = event.activity_task_scheduled_event_attributes
            names[event.event_id] = asked.activity_type.name
            first = at if first is None else first
            if asked.activity_type.name == LAND:
                landed.append(len(json.loads(asked.input.payloads[0].data)["changes"]))
        elif event.HasField("activity_task_started_event_attributes"):
            began[event.activity_task_started_event_attributes.scheduled_event_id] = at
        elif event.HasField("activity_task_completed_event_attributes"):
            of = event.activity_task_completed_event_attributes.scheduled_event_id
            steps.setdefault(names[of], []).append(at - began[of])
            last = at
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            turns += 1
    end = events[-1].event_time.ToNanoseconds() / 1e9 - start
    return turns, first or 0.0, end, end - last, steps, landed
