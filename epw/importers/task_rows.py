"""Rows of tasks as MCP servers hand them over: `{id?, description, estimatedHours?, dependencies?}`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from epw.core.plan.model import Plan, Task
from epw.importers.estimates import minutes_of
from epw.importers.fields import Fields, bullets, has_any, paragraphs
from epw.importers.model import ForeignFile, Item, State

Row = Mapping[str, Any]
ID_NAMES = ("id", "key", "taskId")
_TEXT_NAMES = ("title", "name", "description")
_STATES = {
    "completed": State.DONE,
    "complete": State.DONE,
    "done": State.DONE,
    "verified": State.DONE,
    "cancelled": State.CANCELLED,
    "skipped": State.CANCELLED,
}
_SHARED = {"id", "name", "description", "tasks", "priority", "context", "constraints"}


def _names_of(*models: type[Plan] | type[Task]) -> frozenset[str]:
    fields = [(name, field.alias or name) for model in models for name, field in model.model_fields.items()]
    return frozenset(each for names in fields for each in names) - _SHARED


PLAN_KEYS = _names_of(Plan)
"""Keys that only a plan of ours has, beside those of its tasks."""
TASK_KEYS = _names_of(Task)
_FOREIGN_NAMES = """
projectPath workflowName workflowType workflowPath workflow customData handoffType payload subGoal subGoals goals goal
goalId goalName specId specName success
"""
_FOREIGN_ROW_NAMES = "estimatedHours dependencies title key taskId status subtasks acceptanceCriteria"
_FOREIGN_KEYS, _FOREIGN_ROW_KEYS = (frozenset(names.split()) for names in (_FOREIGN_NAMES, _FOREIGN_ROW_NAMES))


def is_plan(value: Any) -> bool:
    """Whether a document is a plan of ours, with mistakes or not; then no format is asked."""
    if not isinstance(value, dict) or not isinstance(value.get("tasks"), list):
        return False
    rows = [row for row in value["tasks"] if isinstance(row, dict)]
    if has_any(value, PLAN_KEYS) or any(has_any(row, TASK_KEYS) for row in rows):
        return True
    has_foreign = has_any(value, _FOREIGN_KEYS) or isinstance(value.get("constraints"), list)
    return not has_foreign and any("id" in row for row in rows) and not any(has_any(r, _FOREIGN_ROW_KEYS) for r in rows)


def are_rows(value: Any) -> bool:
    """Whether a value is an array of objects that each have a text."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(row, dict) and any(isinstance(row.get(name), str) for name in _TEXT_NAMES) for row in value)
    )


def items(
    file: ForeignFile,
    fields: Fields,
    rows: Sequence[tuple[str, Row]],
    *,
    prefix: str = "",
    context: Mapping[str, Any] | None = None,
    part_of: str = "",
) -> list[Item]:
    """Items of rows; `prefix` comes before their ids, and before the dependencies that are siblings.

    A row without an id is known by its number, from 1.
    """
    names = [fields.name(row, where, *ID_NAMES) or str(number) for number, (where, row) in enumerate(rows, 1)]
    siblings = set(names)
    found = []
    for name, (where, row) in zip(names, rows, strict=True):
        heading, text = fields.text(row, where, "title", "name"), fields.text(row, where, "description")
        before = [str(each).strip() for _, each in fields.names(row, where, "dependencies")]
        hours = fields.hours(row, where, "estimatedHours")
        status = row.get("status")
        found.append(
            Item(
                id=prefix + name,
                description=paragraphs(
                    heading,
                    text if text != heading else "",
                    bullets("Accepted when:", fields.texts(row, "acceptanceCriteria")),
                ),
                where=where,
                depends_on=tuple(dict.fromkeys(prefix + each if each in siblings else each for each in before)),
                state=_STATES.get(status, State.OPEN) if isinstance(status, str) else State.OPEN,
                minutes=minutes_of(f"{heading} {text}", hours),
                context={**file.context(), **(context or {})},
                part_of=part_of,
            )
        )
    return found
