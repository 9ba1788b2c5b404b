"""The `simulated` agent: takes time, writes, fails, crashes, asks and hangs as told, and says so."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from pathlib import Path

from activities.agents.base import Completed, Work
from activities.agents.environment import environment
from activities.processes.process_tree import ProcessTree
from epw.core import failures
from epw.core.errors import TaskFailed
from epw.core.messages import Question
from epw.core.plan.model import Simulate, Task

_BURN = """
import sys, time
held = bytearray(int(float(sys.argv[1]) * 1024 * 1024))
held[::4096] = b"x" * len(held[::4096])
end = time.process_time() + float(sys.argv[2])
while time.process_time() < end:
    pass
"""
_PROGRESS_SECONDS = 0.25


class SimulatedAgent:
    simulated = True
    keeps_state = False

    def needs_directory(self, task: Task) -> bool:
        simulate = task.simulate
        return simulate is not None and bool(simulate.writes or simulate.deletes)

    async def execute(self, work: Work) -> Completed | Question:
        simulate = work.task.simulate
        if simulate is None:
            seconds = work.task.estimated_minutes * 60 / work.plan.simulation.speed
            simulate = Simulate(seconds=seconds, fail_rate=work.strategy.simulated_failure_rate)
        if work.tries in simulate.crash_attempts:
            os.kill(os.getpid(), signal.SIGKILL)
        if simulate.ask is not None and work.answer is None:
            return Question.cut(simulate.ask, [])
        await self._spend(work, simulate)
        if work.attempt in simulate.fail_attempts or _draw(work) < simulate.fail_rate:
            raise TaskFailed(failures.SIMULATED_FAILURE, f"simulated failure of attempt {work.attempt}")
        for path, content in simulate.writes.items():
            target = _inside(work.tree, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content)
        for path in simulate.deletes:
            _inside(work.tree, path).unlink(missing_ok=True)
        return Completed(summary="simulated")

    async def _spend(self, work: Work, simulate: Simulate) -> None:
        if simulate.memory_mb or simulate.cpu_seconds:
            await _burn(work, simulate.memory_mb or 0, simulate.cpu_seconds or 0)
        seconds = simulate.seconds or 0
        end = time.monotonic() + seconds
        while simulate.hang or (left := end - time.monotonic()) > 0:
            percent = 0.0 if simulate.hang else 100 * (1 - left / seconds)
            work.report({"percent": percent, "operation": "simulated work"})
            await asyncio.sleep(_PROGRESS_SECONDS if simulate.hang else min(_PROGRESS_SECONDS, left))


def _draw(work: Work) -> float:
    """A number in [0, 1) that only the plan's seed, the task and the attempt decide."""
    return random.Random(f"{work.plan.simulation.seed}:{work.task.id}:{work.attempt}").random()


async def _burn(work: Work, megabytes: float, seconds: float) -> None:
    tree = await ProcessTree.start(
        work.entering([sys.executable, "-c", _BURN, str(megabytes), str(seconds)]),
        cwd=work.tree if work.tree.is_dir() else Path("/"),
        environment=environment(work),
        output=work.output,
        marker=work.marker,
        before=work.before_start,
    )
    try:
        code = await tree.wait()
    finally:
        await tree.end()
    if code:
        raise TaskFailed(failures.SIMULATED_FAILURE, f"the simulated load ended with {code}")


def _inside(tree: Path, path: str) -> Path:
    """The path in the tree; a link on the way would lead out of it."""
    target = tree / path
    parents = [parent for parent in target.parents if parent != tree and tree in parent.parents]
    if any(parent.is_symlink() for parent in parents) or target.is_symlink():
        raise TaskFailed(failures.SIMULATED_FAILURE, f"{path} leads through a link")
    return target
