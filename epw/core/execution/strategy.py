"""The two strategies, one record each: the number of attempts and the consequences of a failure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Atomic = Literal["execution", "batch", "task"]


@dataclass(frozen=True)
class Strategy:
    """Rules by which an execution reacts to failures and conflicts."""

    name: str
    attempts: int
    """Maximum number of attempts of a task that end with its agent's failure."""
    stops_on_failure: bool
    """Whether a failed task cancels its siblings; else only its descendants are skipped."""
    atomic: Atomic
    """Tasks that are undone together, unless the plan's `atomic` says otherwise."""
    on_conflict: tuple[str, ...]
    """Steps tried in order, unless the plan's `onConflict` names others."""
    simulated_failure_rate: float
    """Probability that an attempt of a simulated agent fails."""
    guidance: str
    """Sentence for the agent's prompt."""
    infrastructure_attempts: int = 10
    """Maximum number of activity attempts, after lost workers and temporary faults."""
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
