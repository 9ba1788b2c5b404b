"""Course of a simulated execution: its attempts, its end, what it has used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

BUDGET, FAILURE, LABELS = "budget", "failure", "labels"
"""What stops an execution before its tasks have ended."""


@dataclass(frozen=True)
class Attempt:
    """An attempt as it went; times in seconds. From `start` to `end` it has its agent, and from `begin` its slot."""

    task_id: str
    agent: str
    host: int
    start: float
    begin: float
    end: float


@dataclass(frozen=True)
class Predicted:
    """An execution as the simulation has it."""

    seconds: float
    """From asking for it to its end, or until it stopped."""
    done: int
    """Tasks that have succeeded."""
    stopped: str | None
    """Why it stopped before all tasks had ended."""
    cost_usd: float
    tokens: float
    most_at_once: int
    """Agents that held a task at once."""
    landing: float
    """Seconds in which changes landed."""
    slowed: float
    """Seconds that agents waited for rate limits, all together."""
    attempts: Sequence[Attempt]
