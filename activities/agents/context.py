"""Context of an attempt: everything that its agent gets to know."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from activities.processes.bounds import Bounds
from epw.core import failures
from epw.core.account_limiter import Limits
from epw.core.backends import Backend
from epw.core.errors import TaskFailed
from epw.core.execution.strategy import Strategy
from epw.core.messages import MergeContext, Saved
from epw.core.plan.model import Plan, Task
from epw.core.plan.parts import Budget, ResourceLimits

_MIN_SECONDS = 600.0


@dataclass(frozen=True)
class DependencyResult:
    """The result of a task that this one builds on: its summary and the files that it changed."""

    task_id: str
    summary: str | None
    files: list[str]


@dataclass(frozen=True)
class AgentContext:
    """One attempt of one task, as its agent sees it."""

    plan: Plan
    task: Task
    strategy: Strategy
    execution_id: str
    attempt: int
    activity_attempt: int
    """Attempt of the activity; above 1 after a lost worker."""
    resumes: int
    """Number of times that this attempt has waited (answer, usage limit, budget) and gone on."""
    tree: Path
    """The directory to work in."""
    events: Path
    """File of JSON lines by which a command reports progress and asks."""
    state: Path
    """Folder of the agent's own for what its next attempt needs; it outlives the attempt's directory."""
    ledger: Path
    """File of the execution's budget ledger."""
    answer: str | None = None
    """Answer to the question with which the attempt stopped."""
    moved: Saved | None = None
    """What is left of the attempt where it has left the host that has its conversation."""
    model: str = ""
    dependency_results: list[DependencyResult] = field(default_factory=list)
    previous_failure: str | None = None
    """Type and message of the failure of the attempt before this one."""
    budget_override: Budget | None = None
    """Budget that a user has given since, in place of the plan's."""

    conflict: MergeContext | None = None
    """The conflict because of which the task runs again."""
    hunks: list[dict[str, Any]] = field(default_factory=list)
    """Regions of the conflict."""
    conflicting_paths: list[str] = field(default_factory=list)
    """Files with conflict markers, in which both sides are to be merged."""
    unmergeable: list[str] = field(default_factory=list)
    """Conflicting paths without lines to merge, each with the files in which its sides are found."""

    bounds: Bounds | None = None
    """Limits of its processes; None for an agent that has none."""

    @property
    def limits_in_force(self) -> ResourceLimits:
        """The limits that end or hold back the attempt, those that the plan does not name too."""
        given = self.plan.limits_of(self.task)
        known: dict[str, float] = {"max_duration_ms": round(self.max_seconds * 1000)}
        if self.bounds is not None:
            known |= {"max_memory_mb": self.bounds.memory_mb, "max_processes": self.bounds.processes}
            known |= {"max_cpu_percent": self.bounds.cpu_percent, "max_disk_mb": self.bounds.disk_mb}
        return given.model_copy(update=known)

    @property
    def backend(self) -> Backend:
        return self.plan.backend_of(self.task)

    @property
    def home(self) -> Path:
        """Home of a preset's program, which keeps its sessions there."""
        return self.state / "home"

    @property
    def warnings_file(self) -> Path:
        """File of JSON lines in which a command finds warnings of predicted conflicts."""
        return self.events.with_name("warnings.jsonl")

    @property
    def messages_file(self) -> Path:
        """File of JSON lines in which a command finds what people tell it."""
        return self.events.with_name("messages.jsonl")

    @property
    def budget(self) -> Budget:
        return self.budget_override or self.plan.constraints.budget or Budget()

    @property
    def max_seconds(self) -> float:
        """Time that the attempt may take, waits not counted."""
        given = self.plan.limits_of(self.task).max_duration_ms
        return given / 1000 if given is not None else max(_MIN_SECONDS, 2 * 60 * self.task.estimated_minutes)

    def out_of_time(self) -> TaskFailed:
        """The failure of an attempt that took longer than `max_seconds`."""
        return TaskFailed(failures.TIME_LIMIT, f"the attempt has used its {self.max_seconds:g} s (maxDurationMs)")

    def limits(self, provider: str) -> Limits:
        """The limits that the plan sets for the account of a provider."""
        given = self.plan.constraints.api_rate_limit
        if given is None or given.provider.lower() != provider:
            return Limits()
        return Limits(requests_per_minute=given.max_requests_per_minute, tokens_per_minute=given.max_tokens_per_minute)
