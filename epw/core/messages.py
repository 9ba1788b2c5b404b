"""Messages between the workflow and its activities: one model in, one out.

They hold no text of the plan: an activity reads its task from the execution's start event, so that the history has the
plan once. New fields need defaults, or recorded histories no longer replay.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from epw.core.failures import FailureKind
from epw.core.plan.parts import Budget, Message

WORKFLOW_TYPE = "ExecuteParallelWorkflow"
TASK_QUEUE = "epw"

PREPARE = "prepare"
RUN_TASK = "run_task"
LAND = "land"
VERIFY = "verify"
CHECK = "check"
CHECK_HEAD = "check_head"
DELIVER = "deliver"
CLEAN_UP = "clean_up"
NOT_HERE = "NotHere"
"""Failure of `prepare` on a host without the workspace; its details: that host, and the others that have workers."""
HOST_MEMO = "epwHost"
"""Key of the memo that names the host of a directory workspace."""
OPEN_PULL_REQUEST = "open_pull_request"
NOTIFY = "notify"
ROLL_BACK = "roll_back"

PULL_REQUEST_ATTEMPTS = 3
"""Activity attempts, the last of which returns what went wrong."""
SEEN_COMING = "a conflict was seen coming: "
"""What a warning of a predicted conflict begins with."""
_MAX_COMMAND_LENGTH = 300


class StepRequest(Message):
    """Base of the inputs of activities."""

    chain: str | None = None
    """Run id of the execution's first run, if this is a later one (after a reset)."""


class PrepareRequest(StepRequest):
    """Input of `prepare`: what the execution needs before its first task."""

    has_workspace: bool = True
    has_commands: bool = True
    has_models: bool = False
    needs_sandbox: bool = False
    has_notices: bool = False
    """Whether notices need variables of the worker."""
    may_be_elsewhere: bool = False
    """Whether nobody has said on which host the workspace is; `asked`: hosts that do not have it."""
    asked: list[str] = Field(default_factory=list)


class Prepared(Message):
    """Result of `prepare`; `hub` and `base` are None without a workspace."""

    task_queue: str = TASK_QUEUE
    """Queue of the attempts; with what a task needs, the one beside it; `steps_queue`: of all else (None: the same)."""
    steps_queue: str | None = None
    hub: str | None = None
    base: str | None = None
    host_patience_seconds: float = 600
    """How long an attempt waits for the host that has its conversation."""
    search_attributes: bool = False
    deliver: str | None = None
    """How the head is delivered; the plan can leave it to the kind of workspace."""
    lost: list[str] = Field(default_factory=list)
    """Tasks that cannot be taken over, because their commit is gone."""
    model: str | None = None
    """That of tasks that name none."""
    warnings: list[str] = Field(default_factory=list)
    """What the result says of the workspace as it was found."""
    worker_since: int = 0
    """When the worker that prepared it began, epoch milliseconds; 0: of an earlier version."""

    @property
    def queue_of_steps(self) -> str:
        return self.steps_queue or self.task_queue


class InDoubt(Message):
    """Calls of a model whose whole answer never came, although they may have been paid: what they cost at most.

    What the beginning of an answer had told of its cost is not in here. `cost_usd`: None without a known price.
    """

    calls: int
    tokens: int
    cost_usd: float | None = Field(default=None, alias="costUSD")


class Usage(Message):
    """Use of a model's API by a task, over all of its attempts: `requests` were answered, `in_doubt` may be on top."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = Field(default=None, alias="costUSD")
    in_doubt: InDoubt | None = None


class Produced(Message):
    """Result of a task, for the tasks that depend on it."""

    task_id: str
    summary: str | None = None
    commit: str | None = None


class Side(Message):
    """The other task of a conflict: what it was to do, and its agent's summary."""

    task_id: str
    description: str
    summary: str | None = None


class MergeContext(Message):
    """The conflict of a change, for the agent that works on it."""

    description: str
    paths: list[str]
    sides: list[Side]
    summary: str | None = None
    """The agent's summary of its own change."""
    commit: str | None = None
    """The change; if given, the directory has the merge of both sides, with conflict markers."""
    fits: bool = True
    """Whether git cannot merge the sides; false: it can, and the merged tree is refused."""
    relock: list[str] = Field(default_factory=list)
    """Generated files that the plan's commands make again; everything else is merged."""
    found_with: str | None = None
    """The commit under which the hub has the conflict's hunks; None: it has none."""


class Saved(Message):
    """Work of a waiting attempt: the key of its directory, its change as a commit, the host that alone can go on.

    `left`: the host that was away for too long, so that any other goes on, without what its agent had said and read.
    `asked`: the question that it had put to a person.
    """

    directory: str
    commit: str | None = None
    base: str | None = None
    host: str | None = None
    left: str | None = None
    asked: str | None = None


class TaskRun(StepRequest):
    """Input of `run_task`: one attempt of one task, from `base` (a commit; None: an empty directory)."""

    task_id: str
    attempt: int
    agent_id: str
    hub: str | None = None
    base: str | None = None
    round: int = 0
    """Number of times that this attempt was resumed, after an answer or a limit."""
    resume: Saved | None = None
    answer: str | None = None
    model: str | None = None
    budget: Budget | None = None
    """Budget of the execution, if a person has raised the plan's."""
    after: str | None = None
    """Failure of the previous attempt: its type and message."""
    inputs: list[Produced] = Field(default_factory=list)
    """Results of the tasks that this one depends on (the first few)."""
    dispute: MergeContext | None = None
    """The conflict for which it runs again."""
    reruns: int = 0
    """Number of reruns for conflicts, each in a new conversation."""
    task: dict[str, Any] | None = None
    """The task as in a plan, where it has joined since the execution's start."""
    messages: list[str] = Field(default_factory=list)
    """What people have told the task's agents so far."""
    retries: int = 0
    """How often people have had it run again, each in a new conversation."""


class Question(Message):
    """Question to a person; `options` may be empty."""

    text: str = Field(max_length=2_000)
    options: list[str] = Field(default_factory=list, max_length=20)
    free_text: bool = False
    """Whether an answer may be something else than an option; without options it is free in any case."""

    @classmethod
    def cut(cls, text: str, options: list[str], *, free_text: bool = False) -> Question:
        """A question that is cut to what the history can hold."""
        return cls(text=text[:2_000], options=[option[:100] for option in options[:20]], free_text=free_text)


class Failure(Message):
    """Reason for a failure: a type of `epw.core.failures`, and a text for people."""

    type: str
    message: str
    command: str | None = None
    """The beginning of the command that failed, where one did."""

    @classmethod
    def of(cls, kind: FailureKind, message: str, command: str | None = None) -> Failure:
        """A failure of this kind."""
        return cls(type=kind.type, message=message, command=command and command[:_MAX_COMMAND_LENGTH])


class LeftBehind(Message):
    """Work of an agent that is not part of its change; `commit` has it in the hub; of `files` the first few."""

    kind: str
    name: str
    files: list[str] = Field(default_factory=list)
    commit: str | None = None


class TaskOutcome(Message):
    """Result of an attempt; times are epoch milliseconds (`until`: end of a usage limit), durations milliseconds."""

    kind: Literal["completed", "question", "usage-limit", "budget-limit", "failed"]
    commit: str | None = None
    """The saved change; None where nothing changed."""
    files_changed: int = 0
    undeclared: list[str] = Field(default_factory=list)
    """Changed paths outside the task's declared `files` (the first few)."""
    risky: list[str] = Field(default_factory=list)
    """Changed paths that land only if a person allows it (the first few)."""
    left_behind: list[LeftBehind] = Field(default_factory=list)
    summary: str | None = None
    question: Question | None = None
    saved: Saved | None = None
    failure: Failure | None = None
    started_at: int = 0
    duration_ms: int = 0
    sandbox: str | None = None
    simulated: bool = False
    usage: Usage | None = None
    until: int | None = None
    final: bool = False
    """Whether another attempt would end so too."""
    peak_memory_mb: float | None = Field(default=None, alias="peakMemoryMB")
    cpu_seconds: float | None = None
    throttled_seconds: float | None = None
    """How long its processes were held back because they had used their share of the CPU."""
    processes: int | None = None
    """The largest number seen at once."""
    written_mb: float | None = Field(default=None, alias="writtenMB")
    """Written to disks, as far as it was measured."""
    warnings: list[str] = Field(default_factory=list)
    crowded_ms: int = 0
    """How long it waited for memory of its machine; not part of `duration_ms`."""
    lost_runs: int = 0
    """Runs of the attempt before this one, which ended with their worker."""
    away_from: int = 0
    away_until: int = 0
    """Stretch in which no worker was there for the attempt; 0: none."""
    limited_ms: int = 0
    """How long it waited for the limits of an account and a budget; not part of `duration_ms`."""
    told: int = 0
    """How many messages of people the agent has got."""
    proposed: list[dict[str, Any]] = Field(default_factory=list)
    """Tasks that the agent proposes to add, as in a plan."""


class AgentProgress(Message):
    """Details of a heartbeat: what an agent is doing now, as far as it was measured."""

    task_id: str
    agent_id: str
    percent: float | None = Field(default=None, ge=0, le=100)
    operation: str | None = None
    files: list[str] = Field(default_factory=list)
    minutes_left: float | None = None
    tokens: int | None = None
    cost_usd: float | None = Field(default=None, alias="costUSD")
    in_doubt: InDoubt | None = None
    memory_mb: float | None = Field(default=None, alias="memoryMB")
    cpu_seconds: float | None = None
    throttled_seconds: float | None = None
    processes: int | None = None
    written_mb: float | None = Field(default=None, alias="writtenMB")
    simulated: bool = False
    directory: str | None = None
    """The attempt's directory, from which a later run of the activity resumes."""
    warnings: list[str] = Field(default_factory=list)
    """Predicted conflicts."""
    reported_at: int | None = None
    """When percent or operation last changed, epoch milliseconds; `elapsed_ms` is filled in by who reads it."""
    elapsed_ms: int | None = None
