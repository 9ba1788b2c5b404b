"""What the workflow, its activities, and its callers say to each other: one model in, one out.

Plan text never stands here: an activity reads its task from the execution's own start event, so that the
history holds the plan once. New fields need defaults, or recorded histories no longer replay.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from epw.core.failures import FailureKind
from epw.core.plan.model import Budget, Message

WORKFLOW_TYPE = "ExecuteParallelWorkflow"
TASK_QUEUE = "epw"

PREPARE = "prepare"
RUN_TASK = "run_task"
LAND = "land"
VERIFY = "verify"
DELIVER = "deliver"
CLEAN_UP = "clean_up"
ROLL_BACK = "roll_back"


class Redrive(Message):
    """The workflow's second input: what to take over from an earlier execution (command `retry`)."""

    of: str
    commits: dict[str, str | None]
    """Task → its saved change in the hub; None: it changed nothing."""
    chain: str = ""
    """The first run of the earlier execution."""
    kept: list[str] = Field(default_factory=list)
    """Of these tasks, those whose kept files are taken over too."""


class StepRequest(Message):
    """What every activity is asked with."""

    chain: str | None = None
    """The execution's first run, where the present one is a later one (after a reset)."""


class PrepareRequest(StepRequest):
    """What to find out and make ready before the first task."""

    has_workspace: bool = True
    has_commands: bool = True
    has_models: bool = False
    needs_sandbox: bool = False


class Prepared(Message):
    """What the execution works on. `hub` and `base` are None without a workspace."""

    task_queue: str = TASK_QUEUE
    hub: str | None = None
    base: str | None = None
    search_attributes: bool = False
    deliver: str | None = None
    """How the head is delivered, where the plan leaves it to the kind of the workspace."""
    lost: list[str] = Field(default_factory=list)
    """Tasks that were to be taken over and whose commit is gone."""
    model: str | None = None
    """The model of tasks that name none."""


class Usage(Message):
    """What an attempt used of a model's API."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = Field(default=None, alias="costUSD")


class TaskRun(StepRequest):
    """One attempt of one task, from `base` (a commit of the hub; None: an empty directory)."""

    task_id: str
    attempt: int
    agent_id: str
    hub: str | None = None
    base: str | None = None
    round: int = 0
    """How many of its questions this attempt has had answered."""
    resume: Saved | None = None
    answer: str | None = None
    model: str | None = None
    budget: Budget | None = None
    """What the execution may spend, where a person has raised the plan's budget."""
    after: str | None = None
    """Why the attempt before this one did not succeed."""
    inputs: list[Produced] = Field(default_factory=list)
    """What came of the tasks that this one depends on (the first few)."""
    dispute: MergeContext | None = None
    """Where it runs because its change did not merge."""
    reruns: int = 0
    """How often it has done so: each time with a conversation of its own."""


class Produced(Message):
    """What a task has left for those that depend on it."""

    task_id: str
    summary: str | None = None
    commit: str | None = None


class Side(Message):
    """A task of a conflict: what it was to do, and what it says of it."""

    task_id: str
    description: str
    summary: str | None = None


class MergeContext(Message):
    """A change that did not merge, as its agent is told of it."""

    description: str
    paths: list[str]
    sides: list[Side]
    summary: str | None = None
    """What the agent had said of its own change."""
    commit: str | None = None
    """The change; where it is given, the directory holds the merge of both sides, with conflict markers."""
    fits: bool = True
    """False where every line of them merges, and what came of it does not work."""
    relock: list[str] = Field(default_factory=list)
    """Generated files that are to be made anew by the plan's commands; everything else is merged."""
    found_with: str | None = None
    """The change by which the conflict's hunks are kept; None: it has none."""


class Saved(Message):
    """Where a waiting attempt's work is: its directory's key, and the same change as a commit."""

    directory: str
    commit: str | None = None
    base: str | None = None


class Question(Message):
    """What an agent asks; `options` may be empty."""

    text: str = Field(max_length=2_000)
    options: list[str] = Field(default_factory=list, max_length=20)

    @classmethod
    def cut(cls, text: str, options: list[str]) -> Question:
        """A question within the bounds of the history, whatever an agent wrote."""
        return cls(text=text[:2_000], options=[option[:100] for option in options[:20]])


class Failure(Message):
    """Why something ended badly: a named type, and words for a person."""

    type: str
    message: str

    @classmethod
    def of(cls, kind: FailureKind, message: str) -> Failure:
        return cls(type=kind.type, message=message)


class LeftBehind(Message):
    """What an agent did that is in no file of its change; `commit`: where it is kept, in the hub."""

    kind: str
    name: str
    files: list[str] = Field(default_factory=list)
    """The first few."""
    commit: str | None = None


class TaskOutcome(Message):
    """How an attempt ended. Times: epoch and duration in milliseconds."""

    kind: Literal["completed", "question", "usage-limit", "budget-limit", "failed"]
    commit: str | None = None
    """The saved change; None where nothing changed."""
    files_changed: int = 0
    undeclared: list[str] = Field(default_factory=list)
    """Paths written outside the task's declared `files` (the first few)."""
    risky: list[str] = Field(default_factory=list)
    """Changed paths that land only when a person says so (the first few)."""
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
    """When a usage limit ends."""
    final: bool = False
    """Another attempt would end the same way."""
    peak_memory_mb: float | None = Field(default=None, alias="peakMemoryMB")
    cpu_seconds: float | None = None
    throttled_seconds: float | None = None
    """How long its processes rested because they were ahead of their share of the CPU."""
    processes: int | None = None
    """At most at once, as far as they were seen."""
    written_mb: float | None = Field(default=None, alias="writtenMB")
    """Sent to disks, as far as it was seen."""
    warnings: list[str] = Field(default_factory=list)
    crowded_ms: int = 0
    """How long it waited for memory of its machine; no part of `duration_ms`."""
    limited_ms: int = 0
    """How long it waited for the limits of an account and a budget; no part of `duration_ms`."""


class Change(Message):
    """A task's saved change, on its way into the head. `keeps_both`: the loss of a side is a conflict still."""

    task_id: str
    commit: str
    detached: bool = False
    """Take it alone: what it was made on is of another execution."""
    way: str = ""
    """How a conflict is merged: `merge` (by the structure of the files), `ours` (what has landed), `theirs`."""
    earlier: str | None = None
    """The task's change before this one, that did not merge; without a `commit` the task has changed nothing since."""
    keeps_both: bool = False


class LandRequest(StepRequest):
    """Merge changes, in this order, into `head`. `at`: epoch seconds written into the merge commits.

    The commits depend on nothing else, so doing it twice makes the same ones.
    """

    hub: str
    head: str
    changes: list[Change]
    at: int
    expected: str | None = None
    """What the execution's head ref holds now (default `head`): it fences a landing that lost a race."""
    detached: bool = False
    """Take each change alone, not the head that it started from: that one holds what is now left out."""
    stop_at_shared_file: bool = False
    """End the batch after a merge that joined two sides of one file, so that it can be verified alone."""


class Landing(Message):
    """What became of one change: `head` after it, or the conflict."""

    task_id: str
    head: str
    shared_with: list[str] = Field(default_factory=list)
    """Tasks whose side of a file was joined with this one's, cleanly."""
    shared_paths: list[str] = Field(default_factory=list)
    conflict: ConflictFound | None = None
    settled: ConflictFound | None = None
    """A conflict that was merged in the way that was asked for."""
    hazards: list[ConflictFound] = Field(default_factory=list)
    """Advice: reads and writes of concurrent tasks that no edge orders."""
    overwrote: list[str] = Field(default_factory=list)
    """Paths in which lines of the other side of the earlier conflict are gone."""
    dropped: list[str] = Field(default_factory=list)
    """Paths in which lines of the task's own earlier change are gone: it ran again and did something else."""


class ConflictFound(Message):
    """A conflict as it was found; its hunks stand in the hub by `commit`, not in the history."""

    kind: str
    tasks: list[str]
    paths: list[str]
    description: str
    commit: str | None = None
    relock: list[str] = Field(default_factory=list)
    """Generated files that alone are in the way, and that the plan has commands for."""
    command: str | None = None
    """Of a red `verify`: what was run, how it ended, and the end of what it printed."""
    exit_code: int | None = None
    output: str | None = None


class Landed(Message):
    """`head` after the batch; changes without a row were not reached and go into the next batch."""

    head: str
    rows: list[Landing]


class VerifyRequest(StepRequest):
    """Run the plan's `verify` on the tree of `commit`."""

    hub: str
    commit: str
    label: str


class Verified(Message):
    green: bool
    message: str = ""
    exit_code: int | None = None
    output: str | None = None
    duration_ms: int = 0


class AgentProgress(Message):
    """A heartbeat's details: what an agent is doing now. Null where nobody measured it."""

    task_id: str
    agent_id: str
    percent: float | None = Field(default=None, ge=0, le=100)
    operation: str | None = None
    files: list[str] = Field(default_factory=list)
    minutes_left: float | None = None
    tokens: int | None = None
    cost_usd: float | None = Field(default=None, alias="costUSD")
    memory_mb: float | None = Field(default=None, alias="memoryMB")
    cpu_seconds: float | None = None
    throttled_seconds: float | None = None
    processes: int | None = None
    written_mb: float | None = Field(default=None, alias="writtenMB")
    simulated: bool = False
    directory: str | None = None
    """The resume token: the attempt's directory."""
    warnings: list[str] = Field(default_factory=list)
    """Conflicts that are coming: of work in progress."""


TaskRun.model_rebuild()
Landing.model_rebuild()
