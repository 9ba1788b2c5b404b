"""Tasks that join a plan which runs already: read and checked by the same code as the plan."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from epw.core.errors import InvalidPlan, Problem
from epw.core.plan.model import Plan, Task
from epw.core.plan.validate import read_plan

_STUB = {"description": "-", "agent": "simulated"}
_TASK = re.compile(r"tasks\[(\d+)\]")


def read_added(plan: Plan, documents: Sequence[Any], ended: Mapping[str, str]) -> list[Task]:
    """The tasks in JSON-like documents; raises `InvalidPlan` with every problem, `tasks[0]` being the first of them.

    `ended`: how tasks of the plan have ended that have not succeeded, by id; nothing can depend on them.
    """
    known = {task.id: task for task in plan.tasks}
    given = [each.get("id") if isinstance(each, dict) else None for each in documents]
    problems = [
        Problem(f"tasks[{index}].id", f"Duplicate task ID found: {identifier} (the execution has such a task)")
        for index, identifier in enumerate(given)
        if isinstance(identifier, str) and identifier in known
    ]
    # Behind them, the plan's own tasks stand only for what can be depended on.
    stubs = [{**_STUB, "id": each} for each in known if each not in given]
    frame = plan.model_dump(by_alias=True, exclude_defaults=True, exclude={"tasks", "on_conflict"})
    try:
        read = read_plan({**frame, "tasks": [*documents, *stubs]}) if documents else None
    except InvalidPlan as error:
        read = None
        problems += [each for each in error.problems if _is_of(each, len(documents))]
    if not documents:
        problems.append(Problem("tasks", "tasks array is required and cannot be empty"))
    tasks = read.tasks[: len(documents)] if read is not None else []
    for index, task in enumerate(tasks):
        problems += _check(f"tasks[{index}]", task, plan, ended)
    if problems:
        raise InvalidPlan(problems)
    return tasks


def _is_of(problem: Problem, count: int) -> bool:
    """Whether a problem is one of the first `count` tasks, or of all."""
    found = _TASK.match(problem.path)
    return found is None or int(found[1]) < count


def _check(path: str, task: Task, plan: Plan, ended: Mapping[str, str]) -> list[Problem]:
    found = [
        Problem(f"{path}.dependsOn[{position}]", f"{task.id} depends on {before}, which is {ended[before]}: retry it")
        for position, before in enumerate(task.depends_on)
        if before in ended
    ]
    if plan.backend_of(task).driven_by_model and not plan.has_models:
        message = "no task of the execution is done by a model: nothing was prepared for one; start another execution"
        found.append(Problem(f"{path}.agent", message))
    return found
