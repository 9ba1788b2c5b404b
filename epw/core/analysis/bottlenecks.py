"""Bottlenecks of a plan: tasks that others wait for, by what the whole would gain if they took half as long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from epw.core.amounts import count
from epw.core.plan.graph import TaskGraph
from epw.core.plan.model import Plan
from epw.core.schedule.prediction import Slot, estimates, makespan, simulate
from epw.core.schedule.scheduler import Scheduler

_MAX_TRIED, _MAX_SIMULATED = 20, 20_000
"""How many tasks are tried at most, and how many are simulated for it."""
_IMPACTS = ((0.2, "high"), (0.1, "medium"), (0.02, "low"))
"""Least gains, as shares of the whole."""


def bottlenecks(plan: Plan, graph: TaskGraph, slots: Sequence[Slot], rivals: Mapping[str, int]) -> list[dict[str, Any]]:
    """The bottlenecks of a predicted schedule `slots`, those with the greatest gain first.

    `rivals`: how many tasks take turns with a task because they share declared files. Where nobody waits for anybody
    there is no bottleneck.
    """
    agent_of = {slot.task_id: slot.agent for slot in slots}
    planned = makespan(slots)
    waited_for = [task for task in graph.ids if graph.dependants[task] or rivals.get(task)]
    tried = sorted(waited_for, key=lambda task: (-graph.minutes[task], -graph.bottom_level[task]))
    gains = {
        task: planned - makespan(simulate(Scheduler.of_plan(plan, graph), estimates(_with_half(graph, task))))
        for task in tried[: max(2, min(_MAX_TRIED, _MAX_SIMULATED // len(graph.ids)))]
    }
    found = []
    for task, gain in sorted(gains.items(), key=lambda item: -item[1]):
        impact = next((name for least, name in _IMPACTS if gain >= least * planned), None)
        if impact is not None:
            found.append(
                {
                    "agentId": f"agent-{agent_of[task]}",
                    "taskId": task,
                    "reason": f"{_who_waits(len(graph.dependants[task]), rivals.get(task, 0))};"
                    f" in half its time, all would be done {gain:g} minutes ({gain / planned:.0%}) sooner",
                    "impact": impact,
                    "suggestion": _suggestion(len(graph.dependants[task]), rivals.get(task, 0)),
                }
            )
    return found


def _with_half(graph: TaskGraph, task: str) -> dict[str, float]:
    return {**graph.minutes, task: graph.minutes[task] / 2}


def _who_waits(dependants: int, rivals: int) -> str:
    parts = [f"{_waiting(dependants)} for its result"] if dependants else []
    parts += [f"{_waiting(rivals)} for files that it declares"] if rivals else []
    return " and ".join(parts)


def _waiting(tasks: int) -> str:
    return f"{count(tasks, 'task')} {'waits' if tasks == 1 else 'wait'}"


def _suggestion(dependants: int, rivals: int) -> str:
    split = "split it, or start what does not need it without the dependency"
    apart = "split it, or give each task files of its own"
    return split if dependants >= rivals else apart
