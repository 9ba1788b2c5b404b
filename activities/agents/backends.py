"""The agents there are: one line each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from activities.agents.base import Agent, Ending, Work
from activities.agents.command import CommandAgent
from activities.agents.simulated import SimulatedAgent
from activities.limits.rate import Ask
from workflows.plan import Task


def backends(home: Path, ask: Callable[[str], Ask]) -> Mapping[str, Agent]:
    """By name. `ask`: how to ask the limiter of an account."""
    return {
        "command": CommandAgent(),
        "simulated": SimulatedAgent(),
        "claude": OnDemand(lambda: _claude(home, ask)),
    }


class OnDemand:
    """A model's agent, made when the first task needs it: its SDK takes seconds to import."""

    simulated = False
    keeps_state = True

    def __init__(self, make: Callable[[], Agent]) -> None:
        self._make = make
        self._made: asyncio.Task[Agent] | None = None

    def needs_directory(self, task: Task) -> bool:
        return True

    async def execute(self, work: Work) -> Ending:
        if self._made is None:
            self._made = asyncio.ensure_future(asyncio.to_thread(self._make))
        return await (await asyncio.shield(self._made)).execute(work)


def _claude(home: Path, ask: Callable[[str], Ask]) -> Agent:
    from activities.agents.claude.agent import ClaudeAgent
    from activities.agents.claude.api import PROVIDER, Api
    from activities.agents.claude.prices import Prices
    from activities.limits.rate import ExecutionGate, Gate, Limiter

    limiter = Limiter(ask(f"rate-limit-{PROVIDER}-{Api.account()}"))

    def gate(work: Work) -> Gate:
        closed = work.ledger.with_name(f"credit-exhausted-{Api.account()}")
        return ExecutionGate(limiter, work.execution_id, work.limits(PROVIDER), closed)

    return ClaudeAgent(Api(), gate, lambda: Prices.read(home))
