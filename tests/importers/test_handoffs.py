"""Hand-offs of results: calls for the succeeded only, and the progress of goals within goals."""

from __future__ import annotations

from typing import Any

import pytest

from epw.core.errors import InvalidRequest
from epw.core.plan.validate import read_plan
from epw.importers.handoffs import HandOff, hand_off
from tests.importers.reading import document, taken
from tests.importers.test_documents import GOALS

PLAN = read_plan(taken(document(GOALS), "goals").document, runnable=False)
ENDS = {
    "01/1.1/1": ("succeeded", True),
    "01/1.1/b": ("succeeded", None),
    "01/1.2/a": ("failed", False),
    "01/1.2/b": ("skipped", False),
    "01/1.3": ("succeeded", False),
}
ROWS = [
    {"taskId": task, "status": status, "landed": landed, "summary": "Done." if landed else None}
    for task, (status, landed) in ENDS.items()
]
RESULT = HandOff("x-1", PLAN, ROWS, project="/p")


def test_complete_task_is_called_for_what_succeeded_and_is_still_there() -> None:
    assert hand_off("complete-task", RESULT) == [
        {
            "name": "complete_task",
            "arguments": {"projectPath": "/p", "workflowName": "1.1", "taskId": "1", "notes": "Done."},
        },
        {
            "name": "complete_task",
            "arguments": {
                "projectPath": "/p",
                "workflowName": "1.1",
                "taskId": "b",
                "notes": "Done in execution x-1",
            },
        },
    ]


def test_the_workflow_is_the_one_that_the_file_names_else_the_goal_the_plan_or_the_execution() -> None:
    def named(value: Any, form: str = "spec-to-tasks", workflow: str | None = None) -> str:
        plan = read_plan(taken(document(value), form).document, runnable=False)
        rows = [{"taskId": task.id, "status": "succeeded", "landed": True, "summary": None} for task in plan.tasks]
        return str(
            hand_off("complete-task", HandOff("x", plan, rows, workflow=workflow))[0]["arguments"]["workflowName"]
        )

    tasks = {"tasks": [{"id": "1", "description": "a", "dependencies": []}]}
    assert named({**tasks, "workflowName": "w", "specName": "s", "goalId": "g"}) == "w"
    assert named({**tasks, "workflowName": "w"}, workflow="mine") == "mine"
    assert named({**tasks, "specName": "s", "goalId": "g"}) == "g"
    assert named({**tasks, "specName": "s"}) == "s"
    assert named(tasks) == "x"
    assert named({"workflowName": "w", "tasks": [{"description": "a"}]}, "task-executor") == "w"


def test_the_progress_of_a_goal_counts_its_sub_goals() -> None:
    found = [call["arguments"] for call in hand_off("goal-progress", RESULT)]
    assert [(each["goalId"], each["progress"], each["tasksCompleted"], each["totalTasks"]) for each in found] == [
        ("01", 40, 2, 5),
        ("1.1", 100, 2, 2),
        ("1.2", 0, 0, 2),
        ("1.3", 0, 0, 1),
    ]
    assert {call["name"] for call in hand_off("goal-progress", RESULT)} == {"update_goal_progress"}


def test_an_execution_without_goals_needs_one() -> None:
    plan = read_plan({"tasks": [{"id": str(n), "description": "x"} for n in range(3)]}, runnable=False)
    rows = [{"taskId": "0", "status": "succeeded", "landed": True, "summary": None}]
    with pytest.raises(InvalidRequest, match="--goal"):
        hand_off("goal-progress", HandOff("x", plan, rows))
    (call,) = hand_off("goal-progress", HandOff("x", plan, rows, goal="07"))
    assert call["arguments"] == {"goalId": "07", "progress": 33.33, "tasksCompleted": 1, "totalTasks": 3}
    with pytest.raises(InvalidRequest, match="must be one of: complete-task, goal-progress"):
        hand_off("complete_task", HandOff("x", plan, rows))
