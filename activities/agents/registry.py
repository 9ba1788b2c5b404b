"""The agents there are: one line each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from activities.agents.base import Agent, AgentOutcome, Work
from activities.agents.command import CommandAgent
from activities.agents.environment import lacking
from activities.agents.simulated import SimulatedAgent
from activities.model_api.rate_client import Ask
from activities.system.async_lazy import AsyncLazy
from epw.core import failures
from epw.core.errors import TaskFailed
from epw.core.plan.model import Task


def backends(home: Path, ask: Callable[[str], Ask]) -> Mapping[str, Agent]:
    """By name. `ask`: how to ask the limiter of an account."""
    models = ModelBackends(home, ask)
    return {
        "command": CommandAgent(),
        "simulated": SimulatedAgent(),
        "claude": LazyBackend(models, "claude"),
        "claude-code": LazyBackend(models, "claude-code"),
    }


class ModelBackends:
    """The agents that share the worker's API account, made when the first task needs one: their SDKs take seconds
    to import."""

    def __init__(self, home: Path, ask: Callable[[str], Ask]) -> None:
        self._home = home
        self._ask = ask
        self._made: AsyncLazy[Mapping[str, Agent]] = AsyncLazy(lambda: asyncio.to_thread(self._make))

    async def agent(self, name: str) -> Agent:
        found = (await self._made.get()).get(name)
        if found is None:
            raise TaskFailed(failures.AGENT_UNAVAILABLE, lacking(name) or f"there is no agent {name}")
        return found

    def _make(self) -> Mapping[str, Agent]:
        if missing := lacking("claude"):
            raise TaskFailed(failures.AGENT_UNAVAILABLE, missing)
        from activities.agents.claude.agent import ClaudeAgent
        from activities.model_api.account import ApiAccount

        account = ApiAccount(self._home, self._ask)
        made: dict[str, Agent] = {"claude": ClaudeAgent(account)}
        if lacking("claude-code") is None:
            from activities.agents.claude_code.agent import ClaudeCodeAgent

            made["claude-code"] = ClaudeCodeAgent(account)
        return made


class LazyBackend:
    """One of them, by name."""

    simulated = False
    keeps_state = True

    def __init__(self, models: ModelBackends, name: str) -> None:
        self._models = models
        self._name = name

    def needs_directory(self, task: Task) -> bool:
        return True

    async def execute(self, work: Work) -> AgentOutcome:
        return await (await self._models.agent(self._name)).execute(work)
