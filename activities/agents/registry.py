"""Registry of the agents of all backends: an entry each, beside its record in `epw/core/backends.py`; none a preset."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING

from activities.agents import login_files
from activities.agents.base import Agent, AgentOutcome
from activities.agents.command import CommandAgent
from activities.agents.context import AgentContext
from activities.agents.presets.agent import PresetAgent
from activities.agents.presets.programs import missing as missing_program
from activities.agents.reporter import Reporter
from activities.agents.simulated import SimulatedAgent
from activities.model_api.credentials import has_key, missing_key
from activities.model_api.rate_client import Ask
from activities.processes.launcher import ProcessLauncher
from activities.state.state_directory import StateDirectory
from activities.system.async_lazy import AsyncLazy
from activities.system.imports import many_imports
from epw.core import failures
from epw.core.backends import BACKENDS, CLAUDE, CLAUDE_CODE, COMMAND, SIMULATED, Backend
from epw.core.errors import TaskFailed, Unavailable
from epw.core.extras import missing_extra
from epw.core.plan.model import Plan, Task

if TYPE_CHECKING:
    from activities.model_api.account import ApiAccount


@dataclass(frozen=True)
class Implementation:
    """The part of a backend that only a worker needs."""

    make: Callable[[SharedAccount], Agent]
    missing: Callable[[], str | None] = lambda: None
    """Message for a user where this process lacks something for it; else None."""


def make_agents(state: StateDirectory, ask: Callable[[str], Ask]) -> Mapping[str, Agent]:
    """An agent of each backend, by name; `ask` gives a connection to the limiter of a workflow id."""
    account = SharedAccount(state, ask)
    presets = {each.name: PresetAgent(each.preset) for each in BACKENDS.values() if each.preset is not None}
    return {**{name: each.make(account) for name, each in _IMPLEMENTATIONS.items()}, **presets}


def missing_for(backend: str) -> str | None:
    """Message for a user where this process lacks something for a backend; else None."""
    if (preset := BACKENDS[backend].preset if backend in BACKENDS else None) is not None:
        return missing_program(preset)
    found = _IMPLEMENTATIONS.get(backend)
    return found.missing() if found is not None else None


def missing_agents(plan: Plan) -> list[str]:
    """Messages for a user, one for each backend of the plan that lacks something here, a key or login included."""
    given = {name for task in plan.tasks for name in (*plan.env, *task.env, *plan.pass_env)}
    if plan.sandbox == "none":
        given.add("HOME")
    names = dict.fromkeys(plan.backend_of(task).name for task in plan.tasks)
    return [missing for name in names if (missing := not_set_up(name, given))]


def require_agents(plan: Plan) -> None:
    """Raises `Unavailable` where this process lacks something for a backend of the plan, a key or login included."""
    if missing := missing_agents(plan):
        raise Unavailable("\n".join(missing))


def usable_agents() -> Iterator[str]:
    """Backends driven by a model that are set up here, by name: first those of which a key or a token is found."""
    models = [each for each in BACKENDS.values() if each.driven_by_model and not_set_up(each.name) is None]
    return (each.name for each in sorted(models, key=lambda each: not _has_token(each)))


def _has_token(backend: Backend) -> bool:
    return backend.preset is None or bool(login_files.found(backend.preset.login))


def not_set_up(backend: str, given: Collection[str] = ()) -> str | None:
    """Message for a user where a backend lacks something here, or its program a login that is found; else None.

    `given`: variables that a plan passes to it, which may be its key, or a home with a login.
    """
    preset = BACKENDS[backend].preset
    if (missing := missing_for(backend)) is not None or preset is None or login_files.may_have(preset.login, given):
        return missing
    return f"agent {backend} has no login here: {preset.login.how}"


def require_bash() -> None:
    """Raises `Unavailable` without the shell that runs commands."""
    if shutil.which("bash") is None:
        raise Unavailable("bash is needed by `run`, `verify` and `setup`, and is not on PATH: install it")


class SharedAccount:
    """The worker's API account, made when the first agent needs it: importing its SDK takes seconds."""

    def __init__(self, state: StateDirectory, ask: Callable[[str], Ask]) -> None:
        self._state = state
        self._ask = ask
        self._lock = Lock()

    def get(self) -> ApiAccount:
        """The account; blocking. Raises `Unavailable` without a key."""
        with self._lock:
            return self._account

    @cached_property
    def _account(self) -> ApiAccount:
        from activities.model_api.account import ApiAccount

        return ApiAccount(self._state, self._ask)


class LazyAgent:
    """An agent whose modules are imported by its first attempt."""

    def __init__(self, make: Callable[[], Agent], missing: Callable[[], str | None]) -> None:
        self._make = make
        self._missing = missing
        self._agent: AsyncLazy[Agent] = AsyncLazy(lambda: asyncio.to_thread(self._make_agent))

    def needs_directory(self, task: Task) -> bool:
        return True

    async def execute(self, context: AgentContext, launcher: ProcessLauncher, reporter: Reporter) -> AgentOutcome:
        return await (await self._agent.get()).execute(context, launcher, reporter)

    def _make_agent(self) -> Agent:
        if missing := self._missing():
            raise TaskFailed(failures.AGENT_UNAVAILABLE, missing)
        return self._make()


def _missing_claude() -> str | None:
    return None if has_key() else missing_key(CLAUDE.name)


def _missing_claude_code() -> str | None:
    if missing := missing_extra("agent claude-code", "claude-code", "claude_agent_sdk", "aiohttp"):
        return missing
    return None if has_key() else missing_key(CLAUDE_CODE.name)


def _claude(account: SharedAccount) -> Agent:
    def make() -> Agent:
        with many_imports():
            from activities.agents.claude.agent import ClaudeAgent

        return ClaudeAgent(account.get())

    return LazyAgent(make, _missing_claude)


def _claude_code(account: SharedAccount) -> Agent:
    def make() -> Agent:
        with many_imports():
            from activities.agents.claude_code.agent import ClaudeCodeAgent

        return ClaudeCodeAgent(account.get())

    return LazyAgent(make, _missing_claude_code)


_IMPLEMENTATIONS: Mapping[str, Implementation] = {
    CLAUDE.name: Implementation(_claude, _missing_claude),
    CLAUDE_CODE.name: Implementation(_claude_code, _missing_claude_code),
    COMMAND.name: Implementation(lambda account: CommandAgent()),
    SIMULATED.name: Implementation(lambda account: SimulatedAgent()),
}
