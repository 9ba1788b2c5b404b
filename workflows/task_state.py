"""A task's place in its execution: its status, what it waits for, and what its attempts have brought."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from workflows.messages import Saved, TaskOutcome
from workflows.plan import Task

TERMINAL = ("succeeded", "failed", "cancelled", "skipped", "conflicted")


@dataclass
class TaskState:
    task: Task
    landed: bool | None
    status: str = "pending"
    waiting_for: str | None = None
    agent_id: str | None = None
    attempt: int = 0
    round: int = 0
    base: str | None = None
    commit: str | None = None
    saved: Saved | None = None
    goes_on: bool = False
    """The next start continues the attempt; else it is a new one."""
    answer: str | None = None
    summary: str | None = None
    error: dict[str, Any] | None = None
    started_at: int | None = None
    finished_at: int | None = None
    duration_ms: int = 0
    since: int = 0
    """When the present status began."""
    waited: dict[str, int] = field(default_factory=dict)
    outcome: TaskOutcome | None = None

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL


@dataclass(frozen=True)
class Start:
    """An attempt to dispatch now."""

    task_id: str
    agent_id: str
    attempt: int
    round: int
    resume: Saved | None
    answer: str | None
