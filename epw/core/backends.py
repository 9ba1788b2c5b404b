"""Backends of agents: one record each, with all that plans, workflows and reports decide by.

How a backend is made stands beside its name in `activities/agents/registry.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from epw.core.presets.preset import Preset
from epw.core.presets.registry import LOGINS, PRESETS

DEFAULT_TOOLS = ("Read", "Write", "Edit", "Bash", "Glob", "Grep")

DefaultSandbox = Literal["process", "strongest"]
"""Level of a plan with `sandbox: auto`; `strongest`: the strongest that the machine has."""


@dataclass(frozen=True)
class Backend:
    """One kind of agent, under the name that `agent` in a plan gives."""

    name: str
    does: str
    """Description for docs/agents.md."""
    needs: str = "–"
    """Needs of the worker, for docs/agents.md."""
    default_for: str | None = None
    """Field of a task that selects this backend where neither the task nor the plan names one."""
    required: tuple[str, ...] = ()
    """Fields that a task must have."""
    forbidden: tuple[str, ...] = ()
    """Fields of a task that have no meaning here; a plan that sets one is refused."""
    tools: tuple[str, ...] | None = None
    """Names that `tools` of a task may hold; None: any."""
    driven_by_model: bool = False
    """Whether a model decides what it does: it gets context, spends the budget, and its risky changes need approval."""
    keeps_state: bool = False
    """Whether its next attempt goes on from where the last one stopped, in the same directory."""
    simulated: bool = False
    runs_command: bool = False
    """Whether it runs `run` by bash, so that a second attempt on the same files makes the same change."""
    calls_worker: bool = False
    """Whether its processes call the model through the worker, from a sandbox without network too."""
    default_sandbox: DefaultSandbox = "process"
    preset: Preset | None = None
    """The program that does the task, with the user's own login; None: it runs no such program."""

    @property
    def calls_account(self) -> bool:
        """Whether its calls go through the worker's API account, which limits and prices them."""
        return self.driven_by_model and self.preset is None


CLAUDE = Backend(
    "claude",
    does="Claude through the Messages API",
    needs="`ANTHROPIC_API_KEY` in the worker's environment; `ANTHROPIC_BASE_URL` for another address",
    tools=DEFAULT_TOOLS,
    driven_by_model=True,
    keeps_state=True,
    default_sandbox="strongest",
)
CLAUDE_CODE = Backend(
    "claude-code",
    does="Claude Code, through `claude-agent-sdk`",
    needs="the same, and the extra `claude-code` (404 MB)",
    driven_by_model=True,
    keeps_state=True,
    calls_worker=True,
    default_sandbox="strongest",
)
COMMAND = Backend(
    "command",
    does="`run`, by bash",
    needs="– ([how](plan.md#commands-as-agents))",
    default_for="run",
    required=("run",),
    forbidden=("simulate", "tools"),
    runs_command=True,
)
SIMULATED = Backend("simulated", does="nothing real", default_for="simulate", forbidden=("tools",), simulated=True)


def preset_backend(preset: Preset) -> Backend:
    """The backend that runs a preset's program."""
    return Backend(
        preset.name,
        does=f"{preset.title}: `{preset.program}`, by its own login",
        needs=f"`{preset.install}`; {preset.login.how}",
        forbidden=("run", "simulate", "tools"),
        driven_by_model=True,
        keeps_state=True,
        default_sandbox="strongest",
        preset=preset,
    )


BACKENDS: dict[str, Backend] = {
    each.name: each for each in (CLAUDE, CLAUDE_CODE, COMMAND, SIMULATED, *map(preset_backend, PRESETS.values()))
}
"""Backends by name; the first that a task's fields select is its default, else `claude`."""


def default_backend(task: Any) -> Backend:
    """The backend of a task where neither it nor its plan names one."""
    found = (each for each in BACKENDS.values() if each.default_for and getattr(task, each.default_for) is not None)
    return next(found, CLAUDE)


@contextmanager
def register(backend: Backend) -> Iterator[None]:
    """Let plans of this process name a further backend while the block runs."""
    if backend.name in BACKENDS:
        raise ValueError(f"backend {backend.name} exists already")
    login = backend.preset.login if backend.preset is not None else None
    is_new = login is not None and LOGINS.setdefault(login.name, login) is login
    BACKENDS[backend.name] = backend
    try:
        yield
    finally:
        del BACKENDS[backend.name]
        if login is not None and is_new:
            del LOGINS[login.name]
