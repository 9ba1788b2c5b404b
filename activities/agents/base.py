"""What an agent is given, what it may answer, and how it is stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from workflows.messages import Question, Usage
from workflows.plan import Plan, Task
from workflows.strategy import Strategy


@dataclass(frozen=True)
class Work:
    """One attempt of one task, as its agent sees it."""

    plan: Plan
    task: Task
    strategy: Strategy
    execution_id: str
    agent_id: str
    attempt: int
    tries: int
    """Which run of this attempt it is; above 1 after a lost worker."""
    answer: str | None
    tree: Path
    """The directory to work in."""
    home: Path
    temporary: Path
    events: Path
    output: Path
    marker: str
    sandbox: str
    report: Callable[[dict[str, Any]], None]
    """Tell how far it is: fields of `AgentProgress`."""


@dataclass(frozen=True)
class Completed:
    summary: str | None = None
    usage: Usage | None = None


class Agent(Protocol):
    """A backend. Cancelling `execute` terminates the agent with everything that it started."""

    simulated: bool

    def needs_directory(self, task: Task) -> bool:
        """Whether the agent looks at, or changes, files."""
        ...

    async def execute(self, work: Work) -> Completed | Question:
        """Do the task, or ask; raises `TaskFailed` with a named reason where it could not."""
        ...
