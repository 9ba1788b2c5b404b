"""What an agent is given, what it may answer, and how it is stopped."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from activities.conflicts.prediction import PredictedConflict
from activities.model_api.waiting import WaitClock
from activities.processes.resource_guard import ResourceGuard
from activities.sandbox.levels import bubblewrapped, entering
from activities.sandbox.network.proxy import Network
from epw.core import failures
from epw.core.account_limiter import Limits
from epw.core.errors import TaskFailed
from epw.core.execution.strategy import Strategy
from epw.core.messages import MergeContext, Question, Usage
from epw.core.plan.model import Budget, Plan, Task

_MIN_SECONDS = 600.0
_MAX_GIVEN = 5
_MAX_GIVEN_LENGTH = 300


async def _nothing() -> None:
    pass


@dataclass
class Used:
    """What an agent has used of models, over all attempts of its task."""

    so_far: Usage | None = None


class Warnings:
    """Conflicts that are coming: shown as long as they do, told to the agent once each."""

    def __init__(self, show: Callable[[list[str]], None]) -> None:
        self._show = show
        self._known: dict[PredictedConflict, None] = {}
        self._untold: list[PredictedConflict] = []

    def hold(self, now: list[PredictedConflict]) -> None:
        """What is coming now, as far as can be seen."""
        self._show([str(each) for each in now])
        self._untold += [each for each in now if each not in self._known]
        self._known |= dict.fromkeys(now)

    def untold(self) -> list[PredictedConflict]:
        """What the agent is to hear of at its next turn."""
        untold, self._untold = self._untold, []
        return untold

    @property
    def given(self) -> list[str]:
        """All of them, in the end."""
        return [f"a conflict was seen coming: {each}"[:_MAX_GIVEN_LENGTH] for each in self._known][:_MAX_GIVEN]


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
    warnings: Warnings
    round: int = 0
    """How many times this attempt has waited, for an answer or a usage limit."""
    state: Path = Path()
    """A directory for what the agent wants to know in the task's next attempt; outlives the attempt's own."""
    ledger: Path = Path()
    """The account of what the execution spends on models."""
    save: Callable[[], Awaitable[None]] = _nothing
    """Keep the directory as it is now: a later attempt can go on from there."""
    model: str = ""
    inputs: list[Input] = field(default_factory=list)
    """What came of the tasks that this one builds on."""
    after: str | None = None
    """Why the attempt before this one did not succeed."""

    dispute: MergeContext | None = None
    """Why the task runs again: its change did not merge."""
    hunks: list[dict[str, Any]] = field(default_factory=list)
    """Where they do not merge."""
    disputed: list[str] = field(default_factory=list)
    """Files in which it is to merge both sides."""
    beside: list[str] = field(default_factory=list)
    """Paths of which no lines merge, in words: where each side is to be found."""

    waited: WaitClock = field(default_factory=WaitClock)
    """For the limits of an account and a budget."""
    used: Used = field(default_factory=Used)
    room: WaitClock = field(default_factory=WaitClock)
    """For memory of this machine."""
    guard: ResourceGuard | None = None
    """What its processes start in."""
    network: Network | None = None
    """What its sandbox has of one."""
    state_directory: Path | None = None
    readable: list[Path] = field(default_factory=list)
    """What of it they may read besides their own."""
    raised: Budget | None = None
    """The budget that a person gave since, in place of the plan's."""

    @property
    def warnings_file(self) -> Path:
        """Where a command finds what it is warned of."""
        return self.events.with_name("warnings.jsonl")

    @property
    def disk(self) -> Path:
        """A folder on the disk that it writes to."""
        return self.state_directory or self.tree

    @property
    def waited_seconds(self) -> float:
        """All that was no work of the agent's."""
        return self.waited.seconds + self.room.seconds

    def entering(self, argv: Sequence[str]) -> list[str]:
        """A command that starts in the attempt's sandbox and within its limits."""
        inside = self.sandboxed(argv)
        return inside if self.guard is None else self.guard.entering(inside)

    def sandboxed(self, argv: Sequence[str]) -> list[str]:
        """A command that starts in the attempt's sandbox."""
        if self.sandbox != "bubblewrap":
            return list(argv)
        namespace = self.network.namespace if self.network is not None else None
        return bubblewrapped(argv, own=self.own, readable=self.readable, cwd=self.tree, namespace=namespace)

    @property
    def own(self) -> list[Path]:
        """Folders that its processes may write to."""
        return [self.home.parent, self.state]

    @property
    def before_start(self) -> Callable[[], None] | None:
        """What the thread that starts one of its processes does to itself before."""
        joined = self.guard.joined_by if self.guard is not None else []
        return entering(self.sandbox, own=[*self.own, *joined], readable=self.readable)

    @property
    def budget(self) -> Budget:
        return self.raised or self.plan.constraints.budget or Budget()

    @property
    def most_seconds(self) -> float:
        """How long the attempt may take."""
        given = self.plan.limits_of(self.task).max_duration_ms
        return given / 1000 if given is not None else max(_MIN_SECONDS, 2 * 60 * self.task.estimated_minutes)

    def out_of_time(self) -> TaskFailed:
        """What an attempt that took longer has come to."""
        return TaskFailed(failures.TIME_LIMIT, f"the attempt has used its {self.most_seconds:g} s (maxDurationMs)")

    def limits(self, provider: str) -> Limits:
        """What the plan allows a provider's account."""
        given = self.plan.constraints.api_rate_limit
        if given is None or given.provider.lower() != provider:
            return Limits()
        return Limits(requests_per_minute=given.max_requests_per_minute, tokens_per_minute=given.max_tokens_per_minute)


@dataclass(frozen=True)
class Input:
    """What a task has left: its summary and the files that it changed."""

    task_id: str
    summary: str | None
    files: list[str]


@dataclass(frozen=True)
class Completed:
    summary: str | None = None
    reads: Sequence[str] = ()
    """Files that it has looked into, as far as that is known, by the names that it used."""


@dataclass(frozen=True)
class UsageLimit:
    """The account may not be used before `until` (epoch seconds); the attempt goes on then."""

    until: float
    message: str


@dataclass(frozen=True)
class BudgetReached:
    """Another call could exceed the execution's budget; the attempt goes on where that is raised."""

    message: str


AgentOutcome = Completed | Question | UsageLimit | BudgetReached


class Agent(Protocol):
    """A backend. Cancelling `execute` terminates the agent with everything that it started."""

    simulated: bool
    keeps_state: bool
    """Whether its next attempt goes on from where this one was, in the same tree."""

    def needs_directory(self, task: Task) -> bool:
        """Whether the agent looks at, or changes, files."""
        ...

    async def execute(self, work: Work) -> AgentOutcome:
        """Do the task, or ask; raises `TaskFailed` with a named reason where it could not."""
        ...
