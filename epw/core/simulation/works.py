"""What the attempts of a plan's tasks take, as far as it is known before they run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from epw.core.plan.model import Plan, Task
from epw.core.simulation.account import Demand

_NOTHING = Demand()


@dataclass(frozen=True)
class Work:
    """An attempt of a task."""

    seconds: float
    demand: Demand = _NOTHING
    changes: bool = False
    """Whether it leaves a change that lands."""
    uses_files: bool = False
    """Whether it has a directory of its own."""
    fails: bool = False
    """Whether its agent fails, at its end."""
    is_process: bool = False


@dataclass(frozen=True)
class Luck:
    """How often attempts go wrong."""

    failing: float = 0.0
    """Share of the attempts that end with their agent's failure."""
    lost: float = 0.0
    """Share of the runs of an attempt that end with their worker; Temporal starts another."""
    seed: int = 0

    def strikes(self, share: float, *of: object) -> bool:
        """Whether what happens to so many of all happens to this one; the same for the same seed."""
        return share > 0 and _number(self.seed, *of) < share


Works = Callable[[Task, int], Work]
"""The work of a task's attempt, from 1."""


def works_of(plan: Plan, luck: Luck) -> Works:
    """Attempts take their task's estimate, those of simulated agents what `simulate` says.

    An estimate is of one attempt; so are its dollars, tokens and requests.
    """
    has_workspace = plan.workspace is not None

    def work(task: Task, attempt: int) -> Work:
        fails = luck.strikes(luck.failing, task.id, attempt)
        if not plan.backend_of(task).simulated:
            demand = Demand(task.estimated_requests or 0, task.estimated_tokens or 0, task.estimated_cost_usd or 0)
            return Work(task.estimated_minutes * 60, demand, has_workspace, has_workspace, fails, is_process=True)
        simulate = task.simulate
        if simulate is None:
            return Work(task.estimated_minutes * 60 / plan.simulation.speed, fails=fails)
        uses_files = has_workspace and bool(simulate.writes or simulate.deletes)
        fails = fails or attempt in simulate.fail_attempts
        return Work(simulate.seconds or 0.0, _NOTHING, uses_files and bool(simulate.writes), uses_files, fails)

    return work


def _number(*of: object) -> float:
    """A number from 0 to 1 that depends on nothing but these."""
    digest = hashlib.sha256(":".join(map(str, of)).encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64
