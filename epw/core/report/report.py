"""Model of a report: the result of an execution, with what the plan asked for, when who worked, and the diffs.

`epw report --json` prints it; `epw.rendering` makes text, Markdown and a page of it. docs/report.schema.json is made
from it. Times are epoch milliseconds.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import TypeAdapter

from epw.core.report.model import ExecutionResult, SchemaWithoutTitles
from epw.core.report.task_result import OneOf, ResultPart


class PlannedTask(ResultPart):
    """What the plan says of a task."""

    taskId: str
    description: str
    dependsOn: list[str]
    estimatedMinutes: float
    agent: str
    """Its backend."""
    model: str | None
    """The model that did it; null where none did, or none yet."""


class Planned(ResultPart):
    """What the plan says of the whole."""

    name: str | None
    description: str | None
    strategy: str
    maxAgents: int
    verify: str | None
    checks: str
    """The languages' own checkers of merges: `auto`, `off`, names, or a command."""
    tasks: list[PlannedTask]


class Stretch(ResultPart):
    """Time in which an agent worked on a task, `epw` itself worked, or a task waited without an agent."""

    lane: Annotated[str, OneOf("agent", "epw", "wait")]
    what: str
    """How the attempt ended (`completed`, `failed`, `question`, …; `running`), the step of `epw` (`land`, `verify`, …),
    or what was waited for, as `waitedMs` of a task calls it."""
    taskId: str | None
    agentId: str | None
    attempt: int | None
    start: int
    end: int | None
    """Null: it goes on."""
    rateLimitMs: int
    """Of an attempt, how long it waited for the limits of an account; which part of it is not known."""
    resourcesMs: int
    """Of an attempt, how long it waited for memory of its machine, before its agent began."""


class TaskDiff(ResultPart):
    """The saved change of a task as a unified diff, or the beginning of it."""

    taskId: str
    text: str
    lines: int
    """Lines of the whole."""
    shown: int
    """Lines of `text`."""


class Step(ResultPart):
    """A command, ready for a shell, and what it is for."""

    command: str
    purpose: str


class Report(ResultPart):
    """All that a report is made from."""

    executionId: str
    version: str
    """Of `epw`."""
    madeAt: int
    startedAt: int
    endedAt: int | None
    """Null while it goes on: then everything is as far as it was at `madeAt`."""
    plan: Planned
    result: ExecutionResult
    timeline: list[Stretch]
    """In order of their beginnings."""
    diffs: list[TaskDiff]
    """Of the tasks whose change is on this machine, in plan order; empty changes left out."""
    next: list[Step]
    undo: list[Step]


def report_schema() -> dict[str, Any]:
    """JSON schema of a report."""
    schema = TypeAdapter(Report).json_schema(schema_generator=SchemaWithoutTitles, mode="serialization")
    return {"$schema": SchemaWithoutTitles.schema_dialect, **schema}
