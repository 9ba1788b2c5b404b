"""Tasks that run again because one that they depend on does."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from epw.core.execution.task_state import TaskState
from epw.core.plan.graph import TaskGraph

_ENDED_BADLY = ("failed", "conflicted", "cancelled", "skipped")


def followers(graph: TaskGraph, tasks: Mapping[str, TaskState], roots: Collection[str]) -> dict[str, None]:
    """The roots and their descendants, in plan order, but for those that another task keeps from running."""
    found = dict.fromkeys(roots)
    if not found:
        return {}
    reached = dict.fromkeys(graph.descendants(list(found)))
    for task_id in [each for each in graph.topological_order if each in reached]:
        before = graph.dependencies[task_id]
        if all(each in found or tasks[each].status not in _ENDED_BADLY for each in before):
            found[task_id] = None
    return {task_id: None for task_id in tasks if task_id in found}
