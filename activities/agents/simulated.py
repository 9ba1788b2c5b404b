"""The `simulated` backend: takes time, writes, fails, crashes, asks and hangs as `simulate` says."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from pathlib import Path

from activities.agents.base import Completed
from activities.agents.context import AgentContext
from activities.agents.reporter import Reporter
from activities.processes.launcher import ProcessLauncher
from epw.core import failures
from epw.core.errors import TaskFailed
from epw.core.messages import Question
from epw.core.plan.model import Task
from epw.core.plan.parts import Simulate

_LOAD = """
import sys, time
held = bytearray(int(float(sys.argv[1]) * 1024 * 1024))
held[::4096] = b"x" * len(held[::4096])
end = time.process_time() + float(sys.argv[2])
while time.process_time() < end:
    pass
"""
_PROGRESS_SECONDS = 0.25
_SLOW_FROM_SECONDS = 5.0
"""Work that takes so long tells of itself as seldom as heartbeats are sent."""


class SimulatedAgent:
    """Agent that does what `simulate` of the task says; without it, it waits and fails by the plan's `simulation`."""

    def needs_directory(self, task: Task) -> bool:
        simulate = task.simulate
        return simulate is not None and bool(simulate.writes or simulate.deletes)

    async def execute(
        self, context: AgentContext, launcher: ProcessLauncher, reporter: Reporter
    ) -> Completed | Question:
        simulate = context.task.simulate
        if simulate is None:
            seconds = context.task.estimated_minutes * 60 / context.plan.simulation.speed
            simulate = Simulate(seconds=seconds, fail_rate=context.strategy.simulated_failure_rate)
        if context.activity_attempt in simulate.crash_attempts:
            os.kill(os.getpid(), signal.SIGKILL)
        if simulate.ask is not None and context.answer is None:
            return Question.cut(simulate.ask, [])
        if simulate.memory_mb or simulate.cpu_seconds:
            await _use_resources(launcher, simulate.memory_mb or 0, simulate.cpu_seconds or 0)
        await _wait(reporter, simulate)
        if context.attempt in simulate.fail_attempts or _fails_by_chance(context, simulate.fail_rate):
            raise TaskFailed(failures.SIMULATED_FAILURE, f"simulated failure of attempt {context.attempt}")
        for path, content in simulate.writes.items():
            target = _inside(context.tree, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content)
        for path in simulate.deletes:
            _inside(context.tree, path).unlink(missing_ok=True)
        return Completed(summary="simulated")


async def _wait(reporter: Reporter, simulate: Simulate) -> None:
    seconds = simulate.seconds or 0
    end = time.monotonic() + seconds
    while simulate.hang or (left := end - time.monotonic()) > 0:
        percent = 0.0 if simulate.hang else 100 * (1 - left / seconds)
        reporter.report({"percent": percent, "operation": "simulated work"})
        step = _PROGRESS_SECONDS if seconds < _SLOW_FROM_SECONDS else reporter.heartbeat.interval
        await asyncio.sleep(step if simulate.hang else min(step, left))


def _fails_by_chance(context: AgentContext, rate: float) -> bool:
    """Whether it fails at a rate; depends on nothing but the plan's seed, the task and the attempt."""
    if not rate:
        return False
    return random.Random(f"{context.plan.simulation.seed}:{context.task.id}:{context.attempt}").random() < rate


async def _use_resources(launcher: ProcessLauncher, megabytes: float, seconds: float) -> None:
    """Run a process that holds so much memory and uses so many seconds of CPU."""
    cwd = launcher.cwd if launcher.cwd.is_dir() else Path("/")
    tree = await launcher.start([sys.executable, "-c", _LOAD, str(megabytes), str(seconds)], cwd=cwd)
    try:
        code = await tree.wait()
    finally:
        await tree.end()
    if code:
        raise TaskFailed(failures.SIMULATED_FAILURE, f"the simulated load ended with {code}")


def _inside(tree: Path, path: str) -> Path:
    """The path in the tree; raises `TaskFailed` where a link on the way could lead out of it."""
    target = tree / path
    parents = [parent for parent in target.parents if parent != tree and tree in parent.parents]
    if any(parent.is_symlink() for parent in parents) or target.is_symlink():
        raise TaskFailed(failures.SIMULATED_FAILURE, f"{path} leads through a link")
    return target
