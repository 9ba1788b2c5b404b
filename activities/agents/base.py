"""The interface of a backend: what an agent gets, and how its attempt may end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from activities.agents.context import AgentContext
from activities.agents.reporter import Reporter
from activities.model_api.calling_attempt import CallingAttempt
from activities.processes.launcher import ProcessLauncher
from epw.core.messages import Question
from epw.core.plan.model import Task


@dataclass(frozen=True)
class Completed:
    """The task is done, unless its `verify` says otherwise."""

    summary: str | None = None
    reads: Sequence[str] = ()
    """Files that the agent has read, as far as it knows, by the names that it used."""


@dataclass(frozen=True)
class UsageLimit:
    """The account may not be used before `until` (epoch seconds); the attempt goes on then."""

    until: float
    message: str


@dataclass(frozen=True)
class BudgetReached:
    """Another call could exceed the execution's budget; the attempt goes on when that is raised."""

    message: str


AgentOutcome = Completed | Question | UsageLimit | BudgetReached


def model_caller(context: AgentContext, reporter: Reporter) -> CallingAttempt:
    """The attempt, as the calls of its model see it."""
    return CallingAttempt(
        execution_id=context.execution_id,
        task_id=context.task.id,
        ledger=context.ledger,
        budget=context.budget,
        limits=context.limits,
        waited=reporter.account_wait,
        report=reporter.report,
        used=reporter.used,
    )


class Agent(Protocol):
    """A backend at work; what is true of all its attempts stands in its record (`epw/core/backends.py`)."""

    def needs_directory(self, task: Task) -> bool:
        """Whether the agent reads or changes files."""
        ...

    async def execute(self, context: AgentContext, launcher: ProcessLauncher, reporter: Reporter) -> AgentOutcome:
        """Do the task, or ask; raises `TaskFailed` with a named reason where it failed.

        Cancelling it ends the agent with everything that it started.
        """
        ...
