"""A task's place in its execution: its status, what it waits for, and what its attempts have brought."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from epw.core.messages import MergeContext, Produced, Saved, Side, TaskOutcome
from epw.core.plan.model import Task

TERMINAL = ("succeeded", "failed", "cancelled", "skipped", "conflicted")
_MAX_SUMMARY = 200


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
    dispute: MergeContext | None = None
    """Why it runs again although its agent had succeeded."""
    reruns: int = 0
    """How often that was so."""
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
    def produced(self) -> Produced:
        """What came of it, for a task that builds on it."""
        summary = self.summary and self.summary[:_MAX_SUMMARY]
        return Produced(task_id=self.task.id, summary=summary, commit=self.commit)

    def side(self, most: int) -> Side:
        """What it was to do and what is said of it, each in so many characters, for who meets its change."""
        summary = self.summary and self.summary[:most]
        return Side(task_id=self.task.id, description=self.task.description[:most], summary=summary)

    def ended_with(self, outcome: TaskOutcome) -> None:
        """An attempt has ended; how long it waited within is told by it."""
        self.outcome = outcome
        self._wait("rate-limit", outcome.limited_ms)
        self._wait("resources", outcome.crowded_ms)

    def has_waited(self, now: int) -> None:
        """The wait that it is in, if it is in one, is over."""
        # For room it waits within its attempt.
        if self.waiting_for is not None and self.waiting_for != "resources":
            self._wait(self.waiting_for, max(0, now - self.since), known=True)

    def _wait(self, what: str, waited: int, *, known: bool = False) -> None:
        if waited or known:
            self.waited[what] = self.waited.get(what, 0) + waited

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


@dataclass
class Stretches:
    """How long something has been so, in all."""

    ms: int = 0
    _since: int | None = None

    def note(self, is_so: bool, now: int) -> None:
        if is_so and self._since is None:
            self._since = now
        elif not is_so and self._since is not None:
            self.ms += now - self._since
            self._since = None
