"""API account of a simulation: what rate limits slow down, and when a budget is spent."""

from __future__ import annotations

from dataclasses import dataclass

from epw.core.plan.parts import Constraints
from epw.core.simulation.agenda import NEVER, Agenda, Alarm, PacedWork, Then

_ALMOST = 1e-9


@dataclass(frozen=True)
class Demand:
    """What an attempt asks of the account, evenly over its work."""

    requests: float = 0.0
    tokens: float = 0.0
    cost_usd: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.requests or self.tokens or self.cost_usd)


@dataclass
class _Amounts:
    requests: float = 0.0
    tokens: float = 0.0
    cost_usd: float = 0.0

    def add(self, other: Demand | _Amounts, times: float) -> None:
        self.requests += times * other.requests
        self.tokens += times * other.tokens
        self.cost_usd += times * other.cost_usd


class Account:
    """Work that calls a model, at the pace that the limits of a plan allow to all of it together.

    Calls of one execution wait equally long, so all agents that call are slowed down by one factor.
    """

    def __init__(self, agenda: Agenda, constraints: Constraints, when_spent: Then) -> None:
        rate, budget = constraints.api_rate_limit, constraints.budget
        self._agenda, self._when_spent = agenda, when_spent
        self._limits = _Amounts(
            rate.max_requests_per_minute / 60 if rate is not None else NEVER,
            rate.max_tokens_per_minute / 60 if rate is not None and rate.max_tokens_per_minute is not None else NEVER,
        )
        """A second."""
        self._budget = _Amounts(
            tokens=budget.max_tokens if budget is not None and budget.max_tokens is not None else NEVER,
            cost_usd=budget.max_cost_usd if budget is not None and budget.max_cost_usd is not None else NEVER,
        )
        self.used = _Amounts()
        self.slowed = 0.0
        """Seconds that agents have waited for the rate limits, all together."""
        self._wanted = _Amounts()
        """A second of unhindered work, of all that works now."""
        self._work, self._alarm, self._now = PacedWork(), Alarm(agenda, self._due), 0.0

    def work(self, seconds: float, demand: Demand, then: Then) -> None:
        """Work that takes so many seconds where nothing slows it down, `then` the rest."""
        self._pass()
        lasts = max(seconds, _ALMOST)

        def end() -> None:
            self._wanted.add(demand, -1 / lasts)
            then()

        self._wanted.add(demand, 1 / lasts)
        self._work.add(lasts, end)
        self._plan()

    @property
    def _pace(self) -> float:
        """Seconds of work a second."""
        wanted, limits = self._wanted, self._limits
        by_requests = limits.requests / wanted.requests if wanted.requests > limits.requests else 1.0
        return min(by_requests, limits.tokens / wanted.tokens if wanted.tokens > limits.tokens else 1.0)

    def _pass(self) -> None:
        """Keep the account up to now."""
        passed = self._agenda.now - self._now
        worked = passed * self._pace
        self.used.add(self._wanted, worked)
        self.slowed += (passed - worked) * len(self._work)
        self._now, self._work.clock = self._agenda.now, self._work.clock + worked

    def _plan(self) -> None:
        """Wait for the next end of work, or until the budget is spent."""
        if not self._work:
            # Rounding errors end here.
            self._wanted = _Amounts()
            return
        self._alarm.set(max(0.0, min(self._work.left, self._until_spent)) / self._pace)

    @property
    def _until_spent(self) -> float:
        """Seconds of work until the budget is spent."""
        wanted, used, budget = self._wanted, self.used, self._budget
        of_cost = (budget.cost_usd - used.cost_usd) / wanted.cost_usd if wanted.cost_usd > 0 else NEVER
        return min(of_cost, (budget.tokens - used.tokens) / wanted.tokens if wanted.tokens > 0 else NEVER)

    def _due(self) -> None:
        self._pass()
        for then in list(self._work.ended()):
            then()
        if self._work and self._until_spent <= _ALMOST:
            self._when_spent()
            return
        self._plan()
