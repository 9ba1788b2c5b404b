"""Progress of an execution from its own state: what `aggregate_progress` answers where an execution is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import fmean
from typing import Any

from epw.core.execution.task_state import TERMINAL
from epw.core.plan.graph import TaskGraph
from epw.core.plan.model import Plan
from epw.core.schedule.prediction import makespan, predict
from epw.core.schedule.scheduler import declared_files
from epw.tools.progress import along_longest_path, bottlenecks

_STATUSES = {"running": "working", "waiting": "blocked", "succeeded": "complete"}
"""Status of an agent by that of its task; every other status of a task that has ended: failed."""
_FIRST = 1 << 62
"""A priority above all that plans give."""


@dataclass(frozen=True)
class LiveTask:
    """A task as it stands; `percent` and `minutes_left` as its agent reported them, None where it did not."""

    task_id: str
    status: str
    agent_id: str | None = None
    percent: float | None = None
    minutes_left: float | None = None

    @property
    def done(self) -> float:
        """Percent done; a task that ended without success is not done, however far it was."""
        if self.status in TERMINAL:
            return 100.0 if self.status == "succeeded" else 0.0
        return self.percent or 0.0


def live_progress(
    plan: Plan, tasks: Sequence[LiveTask], strategy: str, now: datetime, *, has_ended: bool
) -> dict[str, Any]:
    """As `aggregate_progress`, over all tasks of the plan; weights are estimated minutes."""
    graph = TaskGraph.of_plan(plan)
    done = {task.task_id: task.done for task in tasks}
    by_path, path = along_longest_path(graph, done)
    overall = {
        "simple-average": fmean(done.values()),
        "weighted": sum(done[each] * minutes for each, minutes in graph.minutes.items()) / sum(graph.minutes.values()),
        "critical-path": by_path,
    }[strategy]
    agents = [task for task in tasks if task.agent_id is not None and task.status in ("running", "waiting")]
    method = {
        "simple-average": "simple-average (all tasks)",
        "weighted": "weighted (tasks by estimated minutes)",
        "critical-path": "critical-path (along the path of the graph with most work left)",
    }[strategy]
    return {
        "overallProgress": round(overall, 2),
        "method": method,
        "agentStatuses": [
            {
                "agentId": task.agent_id,
                "status": _STATUSES[task.status],
                "progress": round(task.done, 2),
                "currentTask": task.task_id,
            }
            for task in agents
        ],
        "bottlenecks": bottlenecks([_agent_row(task) for task in agents]),
        "estimatedCompletion": None if has_ended else _completion(plan, graph, tasks, now),
        **({"criticalPath": path} if strategy == "critical-path" else {}),
    }


def _agent_row(task: LiveTask) -> dict[str, Any]:
    left = {} if task.minutes_left is None else {"estimatedTimeRemaining": task.minutes_left}
    return {
        "agentId": task.agent_id,
        "currentTask": task.task_id,
        "percentComplete": task.done,
        "status": _STATUSES[task.status],
        **left,
    }


def _completion(plan: Plan, graph: TaskGraph, tasks: Sequence[LiveTask], now: datetime) -> str | None:
    """End of the list schedule of what is left; None where nothing left has an estimate."""
    left = {task.task_id: _minutes_left(task, graph.minutes) for task in tasks if task.status not in TERMINAL}
    given = {task.id for task in plan.tasks if "estimated_minutes" in task.model_fields_set}
    if not any(task.task_id in given or task.minutes_left is not None for task in tasks if task.task_id in left):
        return None
    dependencies = {each: [before for before in graph.dependencies[each] if before in left] for each in left}
    # What runs has its agent and its files already.
    running = {task.task_id: _FIRST for task in tasks if task.status == "running"}
    priorities = {task.id: task.priority for task in plan.tasks} | running
    rest = TaskGraph(dependencies, left)
    minutes = makespan(predict(rest, plan.max_agents, priorities=priorities, files=declared_files(plan)))
    return (now + timedelta(minutes=minutes)).astimezone(UTC).isoformat(timespec="seconds")


def _minutes_left(task: LiveTask, estimates: Mapping[str, float]) -> float:
    return estimates[task.task_id] * (1 - task.done / 100) if task.minutes_left is None else task.minutes_left
