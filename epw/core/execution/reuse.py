"""Redrive: choice of the tasks of an earlier execution that need not run again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from epw.core.execution.task_state import TaskState
from epw.core.plan.graph import TaskGraph
from epw.core.plan.model import Plan, Task

GONE = "its change is gone: `epw gc` has removed it"
"""Reason why a task runs again that had succeeded."""
_ESTIMATES = {"estimated_minutes", "estimated_cost_usd", "estimated_tokens", "estimated_requests"}
_SCHEDULING = {"id", *_ESTIMATES, "priority", "files", "reads", "depends_on"}
"""Fields of a task that cannot change its work: its scheduling, and what it is declared to touch."""
_SETTINGS = ("workspace", "setup", "env", "pass_env", "logins", "include", "keep", "network", "sandbox")
"""Fields of the plan that every agent sees."""


def reusable(
    before: Plan,
    after: Plan,
    rows: Mapping[str, Mapping[str, Any]],
    rewritten: Collection[str] = (),
    gone: Collection[str] = (),
) -> tuple[dict[str, str | None], dict[str, str]]:
    """Commits of the tasks that can be taken over (None: no change), and for each other task the reason why not.

    A task is taken over when it succeeded, it and the settings of the plan that agents see are unchanged, and all its
    dependencies are taken over. `before`, `after`: the earlier plan and the new one; `rows`: the earlier result's
    rows, by task id; `rewritten`: tasks whose landed change is not the one that they made; `gone`: those whose
    change or kept files nobody has any more.
    """
    graph, known = TaskGraph.of_plan(after), {task.id: task for task in before.tasks}
    changed = [name for name in _SETTINGS if getattr(before, name) != getattr(after, name)]
    planned = {task.id: task for task in after.tasks}
    taken: dict[str, str | None] = {}
    reasons: dict[str, str] = {}
    for task_id in graph.topological_order:
        why = _reason(before, after, known.get(task_id), planned[task_id], rows.get(task_id, {}), changed)
        if why is None and task_id in rewritten:
            why = "its uses followed a rename when it landed"
        if why is None and task_id in gone:
            why = GONE
        rerun = [each for each in graph.dependencies[task_id] if each not in taken]
        if why is None and rerun:
            why = f"depends on {rerun[0]}, which runs again"
        if why is None:
            taken[task_id] = rows[task_id].get("commit")
        else:
            reasons[task_id] = why
    in_order = [task.id for task in after.tasks]
    return {each: taken[each] for each in in_order if each in taken}, {
        each: reasons[each] for each in in_order if each in reasons
    }


def _reason(
    before: Plan, after: Plan, old: Task | None, new: Task, row: Mapping[str, Any], changed: list[str]
) -> str | None:
    """Reason why the task itself has to run; None: it is unchanged and succeeded."""
    if old is None:
        return "is new"
    if row.get("status") != "succeeded":
        return f"was {row.get('status', 'not run')}"
    if changed:
        return f"the plan's {', '.join(changed)} changed"
    if sorted(set(old.depends_on)) != sorted(set(new.depends_on)):
        return "its dependencies changed"
    differing = [
        name for name in type(new).model_fields if name not in _SCHEDULING and getattr(old, name) != getattr(new, name)
    ]
    if before.backend_of(old) != after.backend_of(new):
        differing.append("agent")
    if (old.model or before.model) != (new.model or after.model):
        differing.append("model")
    return f"its {', '.join(dict.fromkeys(differing))} changed" if differing else None


def is_taking_over(tasks: Mapping[str, TaskState], reused: Collection[str], graph: TaskGraph) -> bool:
    """Whether a change that is taken over has still to land and depends on no task that has to run."""
    left = [task_id for task_id in reused if not tasks[task_id].is_terminal]
    later = graph.descendants([each for each in tasks if each not in reused]) if left else []
    return len(left) > len([task_id for task_id in later if task_id in left])
