"""What one task has spent on models: what is known of it, and what is in doubt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from activities.system.process_identity import Process
from epw.core.messages import InDoubt, Usage


@dataclass
class TaskAccount:
    """Sums over all attempts of a task."""

    requests: int = 0
    """Calls that were answered."""
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    """US dollars."""
    is_priced: bool = True
    """Whether the price of everything is known."""
    lost_calls: int = 0
    """Calls whose whole answer never came."""
    lost_tokens: int = 0
    lost_cost: float = 0.0

    def add(self, usage: Usage) -> None:
        """Count what is known; a cost of None: there is no known price."""
        self.requests += usage.requests
        self.input_tokens += usage.input_tokens
        self.output_tokens += usage.output_tokens
        self.cost += usage.cost_usd or 0.0
        self.is_priced = self.is_priced and usage.cost_usd is not None

    def lose(self, tokens: int, cost: float) -> None:
        """Count a call whose whole answer never came, and what it costs at most beside what is known of it."""
        self.lost_calls += 1
        self.lost_tokens += tokens
        self.lost_cost += cost

    def plus(self, other: TaskAccount | None) -> TaskAccount:
        """What both have spent."""
        if other is None:
            return self
        sums = {name: value + getattr(other, name) for name, value in vars(self).items() if name != "is_priced"}
        return TaskAccount(**sums, is_priced=self.is_priced and other.is_priced)

    @property
    def usage(self) -> Usage:
        lost_cost = round(self.lost_cost, 6) if self.is_priced else None
        in_doubt = InDoubt(calls=self.lost_calls, tokens=self.lost_tokens, cost_usd=lost_cost)
        return Usage(
            requests=self.requests,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cost_usd=round(self.cost, 9) if self.is_priced else None,
            in_doubt=in_doubt if self.lost_calls else None,
        )


class Reservation(NamedTuple):
    """The most that a call can use; a list in the ledger's file."""

    tokens: int
    cost: float
    process: Process
    task_id: str = ""
    is_sent: bool = True
    """Whether it may be paid by now; before that it costs nothing."""
