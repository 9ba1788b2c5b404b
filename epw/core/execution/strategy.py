"""The two strategies, as records: what a failure means, how often an agent may try."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Atomic = Literal["execution", "batch", "task"]


@dataclass(frozen=True)
class Strategy:
    name: str
    attempts: int
    """Attempts of one task that may end with its agent's failure."""
    stops_on_failure: bool
    """A task failed for good cancels its siblings; else only its descendants are skipped."""
    atomic: Atomic
    """What is undone together, where the plan does not say."""
    on_conflict: tuple[str, ...]
    simulated_failure_rate: float
    guidance: str
    infrastructure_attempts: int = 10
    """How often Temporal tries one activity again after a lost worker or a passing fault."""
    first_backoff_seconds: float = 0.2
    backoff_coefficient: float = 2.0
    longest_backoff_seconds: float = 30.0


STRATEGIES = {
    strategy.name: strategy
    for strategy in (
        Strategy(
            name="conservative",
            attempts=2,
            stops_on_failure=True,
            atomic="execution",
            on_conflict=("merge", "retry", "ask"),
            simulated_failure_rate=0.05,
            guidance="Be careful and verify each step.",
        ),
        Strategy(
            name="aggressive",
            attempts=4,
            stops_on_failure=False,
            atomic="task",
            on_conflict=("merge", "retry", "agent", "skip"),
            simulated_failure_rate=0.10,
            guidance="Work quickly, keep the quality.",
        ),
    )
}
