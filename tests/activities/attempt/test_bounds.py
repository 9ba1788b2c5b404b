"""Bounds of an attempt, as the plan gives them and by default."""

from __future__ import annotations

import os
from typing import Any

import pytest

from activities.agents.base import AgentOutcome, Completed
from activities.agents.context import AgentContext
from activities.agents.reporter import Reporter
from activities.processes.bounds import Bounds, Machine
from activities.processes.launcher import ProcessLauncher
from epw.core.plan.model import Task
from epw.core.plan.validate import read_plan
from tests.support import Harness, ended, tasks


@pytest.mark.parametrize(
    ("memory_gb", "free_gb", "disk_gb", "agents", "memory_mb", "disk_mb"),
    [
        (16, 100, 200, 5, (16384 - 1638.4) / 5, (102_400 - 1024) / 5),
        (16, 100, 200, 1, 16384 - 1638.4, 102_400 - 1024),
        (4, 100, 200, 5, (4096 - 1024) / 5, (102_400 - 1024) / 5),
        (4, 3, 10, 5, (4096 - 1024) / 5, 2048),
        (16, 3, 10, 1, 16384 - 1638.4, 3072 - 204.8),
        (16, 100, 200, 50, 512, 2048),
        (1, 1, 200, 1, 512, 2048),
    ],
)
def test_without_limits_an_attempt_has_its_share_of_the_machine(
    memory_gb: float,
    free_gb: float,
    disk_gb: float,
    agents: int,
    memory_mb: float,
    disk_mb: float,
) -> None:
    plan = read_plan({"maxAgents": agents, "tasks": tasks({"id": "a"})})
    found = Bounds.of(plan, plan.tasks[0], Machine(memory_gb * 1024, disk_gb * 1024, free_gb * 1024))
    assert found == Bounds(int(memory_mb), 80, 512, int(disk_mb))
    assert found.cores == pytest.approx(0.8 * (os.cpu_count() or 1))


class _Notes:
    """An agent that notes what each task's attempt may use."""

    def __init__(self) -> None:
        self.of: dict[str, tuple[float, Bounds]] = {}

    def needs_directory(self, task: Task) -> bool:
        return True

    async def execute(self, context: AgentContext, launcher: ProcessLauncher, reporter: Reporter) -> AgentOutcome:
        assert launcher.guard is not None
        self.of[context.task.id] = (context.max_seconds, launcher.guard.bounds)
        return Completed()


def _limited(**limits: Any) -> dict[str, Any]:
    return {"constraints": {"resourceLimits": limits}}


async def test_an_attempt_gets_its_task_s_limits_else_the_plan_s_else_the_defaults(harness: Harness) -> None:
    all_of_them = {
        "maxMemoryMB": 700,
        "maxCPUPercent": 30,
        "maxProcesses": 70,
        "maxDiskMB": 3000,
        "maxDurationMs": 9000,
    }
    noted = _Notes()
    plans: tuple[dict[str, Any], ...] = _limited(maxProcesses=7), {}
    rows = tasks(
        {"id": "short", "estimatedMinutes": 1},
        {"id": "long", "estimatedMinutes": 30},
        {"id": "just more", "estimatedMinutes": 5.5},
        {"id": "unsaid"},
        {"id": "own", "estimatedMinutes": 30, **_limited(**all_of_them)},
        {"id": "one", **_limited(maxMemoryMB=600)},
    )
    for limits in plans:
        async with harness.working({"command": noted}):
            handle = await harness.start({**limits, "tasks": [{**row, "run": "true"} for row in rows]})
            assert await ended(handle) is None
        seconds = {name: each[0] for name, each in noted.of.items()}
        assert seconds == {
            "short": 600,
            "long": 3600,
            "just more": 660,
            "unsaid": 1200,
            "own": 9,
            "one": 1200,
        }
        processes = {name: each[1].processes for name, each in noted.of.items()}
        assert processes == {**dict.fromkeys(seconds, 7 if limits else 512), "own": 70}
        assert {each[1].cpu_percent for name, each in noted.of.items() if name != "own"} == {80}
        assert noted.of["one"][1].memory_mb == 600
        assert noted.of["own"][1] == Bounds(700, 30, 70, 3000)
