"""Model of one task's row in the result document."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from pydantic import ConfigDict, GetCoreSchemaHandler, with_config
from pydantic_core import CoreSchema, core_schema
from typing_extensions import TypedDict

from epw.core.execution.task_state import TERMINAL


class OneOf:
    """Annotation of a text that is one of some values."""

    def __init__(self, *values: str) -> None:
        self._values = list(dict.fromkeys(values))

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.literal_schema(self._values)


TaskStatus = Annotated[str, OneOf("pending", "ready", "running", "waiting", *TERMINAL)]


@with_config(ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True))
class ResultPart(TypedDict):
    """Base of every part of a result: no other keys than those named."""


class LineRange(ResultPart):
    """First and last changed line."""

    start: int
    end: int


class FileChange(ResultPart):
    """A changed file, as git says."""

    file: str
    type: Annotated[str, OneOf("create", "modify", "delete")]
    additions: int | None
    """Added lines; null for a binary file, as `deletions` and `lineNumbers`."""
    deletions: int | None
    lineNumbers: LineRange | None
    """In the new file; of a deleted one in the old file."""
    mode: NotRequired[str]
    """Where it changed: `100644 → 100755`."""


class KeptFile(ResultPart):
    """An ignored file that was kept beside the change (`keep` of the plan)."""

    path: str
    bytes: int
    sha256: str


class LeftBehind(ResultPart):
    """Work of an agent that is not part of its change: commits elsewhere, stashes, ignored files."""

    kind: str
    name: str
    files: list[str]
    """The first few."""
    commit: str | None
    """Where `salvage` finds it."""


class InDoubt(ResultPart):
    """Calls of a model whose whole answer never came, although they may have been paid: what they cost at most."""

    calls: int
    tokens: int
    costUSD: float | None
    """Null: the model has no known price."""


class ModelUsage(ResultPart):
    """Use of a model's API, over all attempts."""

    requests: int
    """Calls that were answered."""
    inputTokens: int
    outputTokens: int
    costUSD: float | None
    """Null: the model has no known price."""
    inDoubt: NotRequired[InDoubt]
    """What may come on top of it; absent: nothing."""


class Waits(ResultPart):
    """Time in which the task waited, by reason, in milliseconds."""

    question: int
    usageLimit: int
    rateLimit: int
    files: int
    resources: int
    host: int


class ErrorContext(ResultPart):
    """What was done when a task failed, and where more is found."""

    taskId: str
    attempt: int
    command: str | None
    """The beginning of the command that failed; null where none did."""
    output: str | None
    """The end of what the attempt printed; null where it is on another machine, gone, or empty."""
    log: str | None
    """Path of the attempt's log."""
    savedCommit: str | None
    """What the task had saved of its change, in the hub."""


class TaskError(ResultPart):
    """Why a task did not succeed; docs/troubleshooting.md lists the types."""

    type: str
    message: str
    attempt: int
    context: ErrorContext
    recoveryOptions: list[str]
    """Commands and words, the most useful first."""


class TaskResult(ResultPart):
    """A task of the plan. What its commit holds is null where that is gone or on another machine."""

    taskId: str
    status: TaskStatus
    success: bool
    agentId: str | None
    landed: bool | None
    """Whether its change is in the final head; null without a workspace."""
    attempts: int
    """Failed attempts of its agent, those before a person had it run again, and the last one; lost workers,
    questions, and an attempt that no worker took do not count."""
    startedAt: int | None
    """Null where no worker has taken it."""
    finishedAt: int | None
    duration: int
    """Time in attempts, without waits."""
    commit: str | None
    """Its change, in the hub."""
    summary: str | None
    error: TaskError | None
    sandbox: str | None
    peakMemoryMB: float | None
    """This and the following four: of the last attempt, null where not measured."""
    cpuSeconds: float | None
    throttledSeconds: float | None
    processes: int | None
    writtenMB: float | None
    changes: list[FileChange] | None
    filesModified: list[str] | None
    kept: list[KeptFile]
    leftBehind: list[LeftBehind]
    usage: ModelUsage
    waitedMs: Waits
    waitingFor: NotRequired[str]
    """While its status is `waiting`."""
    waitingUntil: NotRequired[int]
    """When the usage limit that it waits for ends."""
    waitingOn: NotRequired[list[str]]
    """Tasks that hold the files or the resources that it waits for, the first few."""
    waitingHost: NotRequired[str]
    """The worker that it waits for, as far as that is given: a host, `(needs gpu)`."""
    warnings: NotRequired[list[str]]
    retries: NotRequired[int]
    """How often a person has had it run again, by itself or because of a task that it depends on."""
    notEnforced: NotRequired[list[str]]
    """Constraints of the plan that nothing enforces for this agent."""
    reused: NotRequired[bool]
    """Taken over from an earlier execution."""
    simulated: NotRequired[bool]
    """No real agent has run."""
