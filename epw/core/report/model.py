"""Model of the result document of an execution, which `run --json` and `status --json` print.

docs/result.schema.json is made from it. Temporal's history holds the same document in a shorter form
(`epw.core.report.history`). Times are epoch milliseconds, durations milliseconds, sizes as the name says.
"""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from epw.core.decisions.conflicts import KINDS
from epw.core.execution.exit_status import OUTCOMES, STATUS_OF_TEMPORAL
from epw.core.messages import AgentProgress
from epw.core.report.measured import Metrics
from epw.core.report.so_far import SoFar
from epw.core.report.task_result import OneOf, ResultPart, TaskResult

OPEN = ("running", "paused")
"""Statuses of an execution that has not ended."""
STATUSES = tuple(dict.fromkeys((*OPEN, *OUTCOMES, *STATUS_OF_TEMPORAL.values())))
"""Statuses of an execution, spelt alike everywhere."""
Status = Annotated[str, OneOf(*STATUSES)]
ConflictKind = Annotated[str, OneOf(*KINDS)]


class ResolutionOption(ResultPart):
    """A way to end a conflict."""

    strategy: str
    description: str
    automatic: bool
    risk: str
    step: NotRequired[str]
    """What `onConflict` and `resolve` call it."""
    choice: NotRequired[str]
    """What to give to `resolve`, while the conflict waits for a person."""


class Intent(ResultPart):
    """What a task of a conflict was asked to do, and its agent's summary."""

    taskId: str
    description: str
    summary: str | None


class NamePlace(ResultPart):
    """A place of a semantic conflict; `side`: `ours` has landed, `theirs` was to land."""

    file: str
    line: int
    task: str | None
    side: Annotated[str, OneOf("ours", "theirs")]


class DefinitionPlace(NamePlace):
    """A changed definition; the line of what is gone is that of the version before."""

    change: Annotated[str, OneOf("removed", "renamed", "moved", "changed", "added")]
    newName: NotRequired[str]
    newFile: NotRequired[str]


class Hunk(ResultPart, total=False):
    """A place of a conflict; each side null or empty where it has nothing."""

    path: str
    line: int
    what: str
    """Kind of a hunk that is not text: `name`, `mode`, `symlink`, `submodule`, `binary`."""
    base: Any
    ours: Any
    theirs: Any
    message: str
    other: dict[str, Any]
    """The place in the other side, of a semantic conflict; then also:"""
    symbol: str
    definition: DefinitionPlace
    use: NamePlace
    checker: str
    rule: str


class RenamedUses(ResultPart):
    """Lines of a file, as merged, in which uses follow a rename."""

    file: str
    lines: list[int]


class RenameResult(ResultPart):
    """A rename that uses can follow; where the resolution is `apply-rename`, they do. `side` is that of the rename."""

    symbol: str
    newName: str
    file: str
    side: Annotated[str, OneOf("ours", "theirs")]
    uses: list[RenamedUses]


class ConflictResult(ResultPart):
    """A conflict, or the advice that there may be one (`type: dependency`)."""

    id: str
    type: Annotated[str, OneOf("file-level", "semantic", "dependency")]
    kind: ConflictKind
    severity: Annotated[str, OneOf("low", "medium", "high")]
    agents: list[str]
    tasks: list[str]
    description: str
    affectedResources: list[str]
    """The same as `paths`."""
    paths: list[str]
    hunks: list[Hunk]
    detectionMethod: str
    commit: str | None
    resolutionOptions: list[ResolutionOption]
    resolution: str | None
    """The step of `onConflict` that ended it; null while it is open."""
    decidedBy: str | None
    """`plan`, `strategy`, `user` or `agent:<task>`."""
    intents: list[Intent]
    symbol: NotRequired[str]
    """The name that does not fit, of a semantic one; `hunks` has every place, this is the first."""
    definition: NotRequired[DefinitionPlace]
    """What a side has changed; missing where a checker does not tell."""
    use: NotRequired[NamePlace]
    checker: NotRequired[str]
    """The checker that says it, its `rule` and `message`; missing: symbols or names show it."""
    rule: NotRequired[str]
    message: NotRequired[str]
    renames: NotRequired[list[RenameResult]]
    command: NotRequired[str]
    """The `verify` that failed, with `exitCode` and the end of its `output`."""
    exitCode: NotRequired[int | None]
    output: NotRequired[str]
    underWay: NotRequired[str]
    """The step that is being tried."""
    tried: NotRequired[list[str]]
    passedOver: NotRequired[list[str]]
    """Steps that could not be taken."""
    overwrote: NotRequired[list[str]]
    """Paths in which lines of the other side are gone."""
    dropped: NotRequired[list[str]]
    """Paths in which lines of the task's own earlier change are gone."""
    questionId: NotRequired[str]
    """The question by which it waits for a person."""


class QuestionResult(ResultPart):
    """A question to a person."""

    id: str
    taskId: str
    text: str
    options: list[str]
    askedAt: int
    answer: str | None
    answeredAt: int | None
    freeText: NotRequired[bool]
    """Where true, an answer may be none of the options; without options it may be anything in any case."""


class SteeringResult(ResultPart):
    """A change that a person made while the execution ran."""

    at: int
    by: str | None
    """Who sent it, as the client says: commands `user@host`, MCP its client; null where it does not."""
    action: str
    """Name of the update: `cancel_task`, `set_max_agents`, …"""
    request: dict[str, Any]
    """Its message; long texts are cut."""
    outcome: str
    """What has come of it."""


class PullRequestResult(ResultPart):
    """Pull request of the delivered branch."""

    url: str | None
    """Its address; where it is not open, that of the page on which a person opens it, if there is one."""
    state: Annotated[str, OneOf("open", "draft", "manual", "failed")]
    """`manual`: the branch is pushed, and neither `gh` nor `glab` is there and logged in."""


class DeliveryResult(ResultPart):
    """How the final head was handed over."""

    mode: str
    base: str | None
    head: str | None
    branch: str | None
    refusedBecause: str | None
    finishWith: list[str]
    """Commands that finish by hand what could not be finished."""
    warnings: list[str]
    files: list[str] | None
    """Changed files; null where the commits are gone or on another machine."""
    pullRequest: NotRequired[PullRequestResult]
    """Where the plan wants one, and a branch was delivered."""
    uncommitted: NotRequired[list[str]]
    """Files that were not committed at the start, which a branch has too; absent: none."""


class Verification(ResultPart):
    """What the plan's `verify` said of the final head."""

    command: str
    passed: bool
    exitCode: int | None
    """Null where it did not end by itself."""
    durationMs: int


class ExecutionError(ResultPart):
    """Why an execution did not succeed, where no task's error says it."""

    type: str
    """Its status; `Unavailable` where nothing began, since the environment lacks something."""
    message: str


class ExecutionResult(ResultPart):
    """An execution: every planned task once, in plan order."""

    success: bool
    status: Status
    executionId: str
    runId: str
    """Temporal's id of the run."""
    results: list[TaskResult]
    conflicts: list[ConflictResult]
    questions: list[QuestionResult]
    steering: list[SteeringResult]
    """What people have changed while it ran."""
    added: NotRequired[list[dict[str, Any]]]
    """Tasks that were added while it ran, as in a plan; `steering` says by whom."""
    metrics: Metrics | None
    delivery: DeliveryResult | None
    """Null without a workspace, and until the execution ends."""
    landingOrder: list[str]
    verification: NotRequired[Verification]
    """Absent where nothing was verified: no `verify`, nothing landed, or an earlier version."""
    error: NotRequired[ExecutionError]
    progress: NotRequired[list[AgentProgress]]
    """Progress of the running attempts; printed by `status` alone."""
    soFar: NotRequired[SoFar]
    """While it goes on; printed by `status` alone."""


class SchemaWithoutTitles(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def result_schema() -> dict[str, Any]:
    """JSON schema of the result document."""
    schema = TypeAdapter(ExecutionResult).json_schema(schema_generator=SchemaWithoutTitles, mode="serialization")
    return {"$schema": SchemaWithoutTitles.schema_dialect, **schema}
