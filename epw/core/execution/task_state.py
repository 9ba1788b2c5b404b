"""State of one task: its status, what it waits for, and what its attempts have produced."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from epw.core import failures
from epw.core.execution.steered import Steered
from epw.core.messages import MergeContext, Produced, Saved, Side, TaskOutcome
from epw.core.plan.model import Task
from epw.core.schedule.prediction import Phase

TERMINAL = ("succeeded", "failed", "cancelled", "skipped", "conflicted")
HAS_READ, UNREAD = "its agent has got it", "its next attempt gets it"
"""What comes of a message to an agent."""
_MAX_SUMMARY_LENGTH = 200
NO_WORKER_MS = 1000
"""Every start takes a moment; one that takes so long has waited for a worker."""
_NO_FAULT = (failures.CANCELLED.type, failures.SKIPPED.type)
_WAITS_WITHOUT_AGENT = ("question", "usage-limit")
"""What is waited for with neither agent nor files."""


@dataclass
class TaskState:
    """Mutable state of a task. Times in epoch milliseconds.

    Five counters (docs/glossary.md): `attempt` counts starts that its agent's failures or a person made necessary,
    `retries` the latter, `resumes` the answers and limits after which an attempt went on, `conflict_reruns` the runs
    because its change did not merge; activity attempts, after a lost worker, are counted by Temporal,
    and here (`lost_runs`) once one has ended.
    """

    task: Task
    landed: bool | None
    """Whether its change is in the head; None without a workspace."""
    status: str = "pending"
    waiting_for: str | None = None
    agent_id: str | None = None
    attempt: int = 0
    untaken: int = 0
    """Attempts that no worker took until they were cancelled."""
    taken: bool | None = None
    """Whether a worker has taken the present attempt; None: nobody has told."""
    resumes: int = 0
    """Resumes of the present attempt."""
    conflict_reruns: int = 0
    lost_runs: int = 0
    """Runs that ended with their worker, of all attempts."""
    base: str | None = None
    """Head commit from which the present attempt began."""
    commit: str | None = None
    saved: Saved | None = None
    merge_context: MergeContext | None = None
    """The conflict because of which it runs again, although its agent had succeeded."""
    continues: bool = False
    """Whether the next start continues the present attempt; else it is a new one."""
    answer: str | None = None
    summary: str | None = None
    error: dict[str, Any] | None = None
    started_at: int | None = None
    finished_at: int | None = None
    duration_ms: int = 0
    """Time in attempts, without waits."""
    waits_on: list[str] = field(default_factory=list)
    """Tasks that have the resources that it waits for, as the worker has told."""
    told_wait: int = 0
    """Milliseconds in which its present attempt waited for a worker, as workers have told."""
    since: int = 0
    """Time at which the present status began."""
    waited: dict[str, int] = field(default_factory=dict)
    """Milliseconds by what it waited for."""
    outcome: TaskOutcome | None = None
    """Outcome of its last attempt."""
    messages: list[tuple[str, Steered]] = field(default_factory=list)
    """What people have told its agents, with what has come of it."""
    cancelled_by: Steered | None = None
    """The person's wish that it stops."""
    retries: int = 0
    """How often a person has had it run again, or one that it depends on, after it had begun."""
    earlier_attempts: int = 0
    """Attempts before the last of these: the strategy's number begins anew."""
    has_directory: bool = False
    """Whether the directory of an attempt that waited is left behind."""
    phases: list[Phase] = field(default_factory=list)
    """Its stretches of work with an agent, waits for limits in them, each with the wait for a person or limit after."""

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def attempts(self) -> int:
        """Its attempts but those that no worker took; one that waits for a worker is none yet."""
        return self.attempt - self.untaken - self._awaits_first

    @property
    def begun_at(self) -> int | None:
        """When its first attempt since a person had it run again began; None while no worker has taken it."""
        return None if self._awaits_first and self.attempt - 1 == self.earlier_attempts else self.started_at

    @property
    def _awaits_first(self) -> bool:
        """Whether its present attempt waits for a worker to begin."""
        return self.waiting_for == "host" and self.taken is False and self.resumes == 0

    def leave_untaken(self) -> None:
        """End an attempt that no worker took."""
        if self.resumes == 0:
            self.untaken += 1
            if self.attempt - 1 == self.earlier_attempts:
                self.started_at = None

    @property
    def produced(self) -> Produced:
        """Result of the task, for the tasks that depend on it."""
        summary = self.summary and self.summary[:_MAX_SUMMARY_LENGTH]
        return Produced(task_id=self.task.id, summary=summary, commit=self.commit)

    def restart(self) -> None:
        """Forget its work so far, as if it had not begun; what has been used and waited for stays counted."""
        self.retries += self.attempt > 0
        self.earlier_attempts = self.attempt
        self.has_directory |= self.saved is not None
        self.landed = None if self.landed is None else False
        self.commit = self.summary = self.saved = self.merge_context = self.answer = self.base = None
        self.continues, self.resumes = False, 0
        if self.error is not None and self.error["type"] in _NO_FAULT:
            self.error = None
        self.started_at = self.finished_at = None

    def side(self, max_length: int) -> Side:
        """Description and summary of the task, each cut to a length, for the agent of a conflicting change."""
        summary = self.summary and self.summary[:max_length]
        return Side(task_id=self.task.id, description=self.task.description[:max_length], summary=summary)

    def end_attempt(self, outcome: TaskOutcome) -> None:
        """Take the outcome of an attempt, with the waits within it."""
        if outcome.usage is None and self.outcome is not None and self.outcome.usage is not None:
            # A run that called no model: what the attempts before it have used stays.
            outcome = outcome.model_copy(update={"usage": self.outcome.usage})
        self.outcome = outcome
        self.lost_runs += outcome.lost_runs
        for number, (_, entry) in enumerate(self.messages, 1):
            entry.outcome = HAS_READ if number <= outcome.told else UNREAD
        self._add_wait("rate-limit", outcome.limited_ms)
        self._add_wait("resources", outcome.crowded_ms)

    def end_told_wait(self, outcome: TaskOutcome | None) -> None:
        """Account for what its attempt has waited for a worker, which may have been there, and busy."""
        self._add_wait("host", max(self.told_wait, outcome.away_until - outcome.away_from if outcome else 0))
        self.told_wait = 0

    def worked(self, outcome: TaskOutcome | None, now: int) -> tuple[int, int]:
        """When the agent of the attempt that ends worked: what that waits for of its worker and machine comes before.

        Corrects when the task started by what its first attempt tells.
        """
        if outcome is None or not outcome.started_at:
            return self.since, now
        end = ended_at(outcome)
        begin = min(end, outcome.started_at + outcome.crowded_ms)
        is_first = (
            self.attempt == 1 and not outcome.lost_runs and self.resumes == self.conflict_reruns == self.retries == 0
        )
        if is_first and self.started_at is not None and begin - self.started_at > NO_WORKER_MS:
            self.started_at = begin
        return begin, end

    def end_wait(self, now: int) -> None:
        """Account for the present wait, if there is one."""
        # A wait for resources, or for a worker, lies within an attempt, whose outcome reports it.
        if self.waiting_for is not None and self.waiting_for not in ("resources", "host"):
            kind, waited = self.waiting_for, max(0, now - self.since)
            self.waited[kind] = self.waited.get(kind, 0) + waited
            if kind in _WAITS_WITHOUT_AGENT and self.phases:
                last = self.phases[-1]
                self.phases[-1] = Phase(last.work, last.wait + waited)

    def _add_wait(self, kind: str, waited: int) -> None:
        if waited:
            self.waited[kind] = self.waited.get(kind, 0) + waited


def ended_at(outcome: TaskOutcome) -> int:
    """When the agent's work ended, waits within it included, epoch milliseconds."""
    return outcome.started_at + outcome.duration_ms + outcome.limited_ms + outcome.crowded_ms


@dataclass(frozen=True)
class Start:
    """An attempt to dispatch now."""

    task_id: str
    agent_id: str
    attempt: int
    resumes: int
    resume: Saved | None
    answer: str | None


@dataclass
class Stopwatch:
    """Intervals in which something was true."""

    intervals: list[tuple[int, int]] = field(default_factory=list)
    """Beginning and end of each that has ended."""
    _since: int | None = None

    def note(self, is_true: bool, now: int) -> None:
        """Start or end an interval; `now` in milliseconds."""
        if is_true and self._since is None:
            self._since = now
        elif not is_true and self._since is not None:
            self.intervals.append((self._since, now))
            self._since = None
