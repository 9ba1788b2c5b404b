"""task-executor workflows: what its `create_workflow` takes, `get_workflow_status` gives, and its `state.json` holds.

`{"name": "fix-123", "projectPath": "/p", "tasks": [{"description": "Write the test", "estimatedHours": 1}]}`. There are
no dependencies: every task can run at once.
"""

from __future__ import annotations

from typing import Any

from epw.importers.fields import Fields
from epw.importers.model import Choices, ForeignFile, Format, Match, Outline
from epw.importers.task_rows import are_rows, items

_TYPE = "task-executor"


def recognise(file: ForeignFile) -> Match:
    value = file.value
    if isinstance(value, dict) and value.get("workflowType") == _TYPE:
        return Match.SURE
    rows, _ = _rows(value)
    if not are_rows(rows) or any("dependencies" in row or "number" in row or "title" in row for row in rows):
        return Match.NO
    return Match.SURE if all(isinstance(row.get("description"), str) for row in rows) else Match.NO


def read(file: ForeignFile, choices: Choices) -> Outline:
    fields, value = Fields(), file.value
    rows, path = _rows(value)
    found = items(file, fields, fields.rows(rows, path))
    document = value if isinstance(value, dict) else {}
    inner = document.get("workflow")
    name = fields.text(document, "", "name", "workflowName") or (
        fields.text(inner, "workflow", "name") if isinstance(inner, dict) else ""
    )
    project = fields.text(document, "", "projectPath")
    limits = fields.texts(document, "constraints")
    if fields.problems:
        raise file.invalid(fields.problems)
    return Outline(
        items=tuple(found),
        name=name or None,
        description="\n".join(["To be kept:", *(f"- {each}" for each in limits)]) if limits else None,
        workspace=project if project.startswith("/") else None,
        notes=("the format has no dependencies: every task can run at once",),
    )


def _rows(value: Any) -> tuple[Any, str]:
    """The array of tasks and its path."""
    if isinstance(value, list):
        return value, ""
    if not isinstance(value, dict):
        return None, "tasks"
    custom = value.get("customData")
    if isinstance(custom, dict):
        return custom.get("tasks"), "customData.tasks"
    return value.get("tasks"), "tasks"


TASK_EXECUTOR = Format(
    name="task-executor",
    title="a task-executor workflow",
    sign="`tasks` (or an array) of objects with `description`, without `dependencies`; `estimatedHours`, `status`",
    taken="a task: each one that is not `completed` or `verified`, all at once. Minutes from `estimatedHours`, else by"
    " word: test 15, implement 30, design 45, research 60, else 30. `projectPath` is the workspace",
    recognise=recognise,
    read=read,
    instead_of_ticks="`epw export ID --as complete-task` prints the calls of `complete_task`",
)
