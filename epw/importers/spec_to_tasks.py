"""spec-to-tasks payloads: tasks of one specification, with dependencies, bare or in a hand-off envelope.

`{"specName": "auth", "tasks": [{"id": "2", "description": "...", "estimatedHours": 2, "dependencies": ["1"]}]}`, or
`{"handoffType": "spec-to-tasks", "context": {...}, "payload": {"subGoal": {...}, "tasks": [...]}}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from epw.importers.fields import Fields
from epw.importers.handoffs import WORKFLOW
from epw.importers.model import Choices, ForeignFile, Format, Match, Outline
from epw.importers.task_rows import are_rows, items

_NAMES = ("specName", "goalName", "name", WORKFLOW)
_GOAL_IDS = ("goalId",)


def recognise(file: ForeignFile) -> Match:
    rows: Any = file.value.get("tasks") if isinstance(file.value, dict) else file.value
    if not are_rows(rows):
        return Match.NO
    has_edges = any(isinstance(row.get("dependencies"), list) for row in rows)
    is_other = any("subtasks" in row or "testStrategy" in row or "number" in row for row in rows)
    return Match.SURE if has_edges and not is_other and not _has_status_and_title(rows) else Match.NO


def read(file: ForeignFile, choices: Choices) -> Outline:
    fields = Fields()
    document: Mapping[str, Any] = file.value if isinstance(file.value, dict) else {}
    rows = fields.rows(document.get("tasks") if document else file.value, "tasks" if document else "")
    goal = fields.name(document, "", *_GOAL_IDS)
    workflow = fields.text(document, "", WORKFLOW)
    context = {"goals": [goal] if goal else None, WORKFLOW: workflow}
    found = items(file, fields, rows, context={name: each for name, each in context.items() if each})
    project = fields.text(document, "", "projectPath")
    name, text = fields.text(document, "", *_NAMES), fields.text(document, "", "description")
    if fields.problems:
        raise file.invalid(fields.problems)
    return Outline(
        items=tuple(found),
        name=name or None,
        description=text or None,
        workspace=project if project.startswith("/") else None,
    )


def _has_status_and_title(rows: Any) -> bool:
    return all("status" in row and "title" in row for row in rows)


SPEC_TO_TASKS = Format(
    name="spec-to-tasks",
    title="a spec-to-tasks payload",
    sign="`tasks` (or an array) of objects with `description` and `dependencies`",
    taken="a task: each one; `dependencies` are its dependencies, minutes as for task-executor",
    recognise=recognise,
    read=read,
    instead_of_ticks="`epw export ID --as complete-task` or `--as goal-progress` prints the calls",
)
