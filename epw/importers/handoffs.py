"""Hand-offs of results: the tool calls that tell other MCP servers what an execution has done.

Each call is `{name, arguments}`, as `tools/call` of MCP takes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from epw.core.errors import InvalidRequest
from epw.core.plan.model import Plan, Task
from epw.core.plan.wording import did_you_mean
from epw.core.report.task_result import TaskResult

WORKFLOW = "workflowName"
"""Name of the workflow in the arguments of a call, and in the context of a task whose file names one."""
_MAX_NOTES = 2000
Call = dict[str, Any]
_Row = Mapping[str, Any]


@dataclass(frozen=True)
class HandOff:
    """What is handed over: a plan, the rows of its result, and what the receiver calls it."""

    execution_id: str
    plan: Plan
    rows: Sequence[_Row | TaskResult]
    goal: str | None = None
    """The goal that the whole execution works on, where its tasks name none."""
    workflow: str | None = None
    """Name of the workflow; where absent, the one that the imported file names, the goal's id, or the plan's name."""
    project: str | None = None
    """Path of the project; where absent, the workspace."""

    @property
    def _where(self) -> dict[str, str]:
        path = self.project or self.plan.workspace
        return {"projectPath": path} if path else {}

    def complete_task(self) -> Iterator[Call]:
        """A call of `complete_task` for each task that has succeeded, and whose change has not been undone."""
        rows = {row["taskId"]: row for row in self.rows}
        for task in self.plan.tasks:
            row = rows.get(task.id)
            if row is None or not is_complete(row):
                continue
            goals = goals_of(task)
            own = self.workflow or _workflow_of(task) or (goals[-1] if goals else self.plan.name)
            said = row.get("summary") or f"Done in execution {self.execution_id}"
            yield _call(
                "complete_task",
                **self._where,
                **{WORKFLOW: own or self.execution_id},
                taskId=task.id.removeprefix("/".join(goals) + "/") if goals else task.id,
                notes=str(said)[:_MAX_NOTES],
            )

    def goal_progress(self) -> Iterator[Call]:
        """A call of `update_goal_progress` for each goal; a goal counts the tasks of its sub-goals too.

        Raises `InvalidRequest` where neither the tasks nor `goal` name one.
        """
        complete = {row["taskId"] for row in self.rows if is_complete(row)}
        counts: dict[tuple[str, ...], list[int]] = {}
        for task in self.plan.tasks:
            path = goals_of(task) or ([self.goal] if self.goal else [])
            for length in range(1, len(path) + 1):
                count = counts.setdefault(tuple(path[:length]), [0, 0])
                count[0] += task.id in complete
                count[1] += 1
        if not counts:
            raise InvalidRequest("no task of this execution names a goal: give --goal ID")
        last = [path[-1] for path in counts]
        for goal, (done, total) in counts.items():
            progress = round(100 * done / total, 2)
            yield _call(
                "update_goal_progress",
                **self._where,
                goalId=goal[-1] if last.count(goal[-1]) == 1 else "/".join(goal),
                progress=int(progress) if progress == int(progress) else progress,
                tasksCompleted=done,
                totalTasks=total,
            )


HAND_OFFS: dict[str, Callable[[HandOff], Iterator[Call]]] = {
    "complete-task": HandOff.complete_task,
    "goal-progress": HandOff.goal_progress,
}
"""Kinds of hand-offs by name."""


def hand_off(kind: str, of: HandOff) -> list[Call]:
    """The calls of one kind; raises `InvalidRequest` for an unknown kind."""
    require_kind(kind)
    return list(HAND_OFFS[kind](of))


def require_kind(kind: str) -> None:
    """Check that there is such a kind; raises `InvalidRequest`."""
    if kind not in HAND_OFFS:
        raise InvalidRequest(f"--as must be one of: {', '.join(HAND_OFFS)}{did_you_mean(kind, HAND_OFFS)}")


def is_complete(row: _Row | TaskResult) -> bool:
    """Whether a task has succeeded and its change is still there (or it has no workspace)."""
    return row["status"] == "succeeded" and row["landed"] is not False


def goals_of(task: Task) -> list[str]:
    """Ids of the goals that an imported task belongs to, the widest first."""
    goals = task.context.get("goals") if isinstance(task.context, dict) else None
    return goals if isinstance(goals, list) and all(isinstance(each, str) for each in goals) else []


def _workflow_of(task: Task) -> str | None:
    """Name of the workflow that the file of an imported task names."""
    name = task.context.get(WORKFLOW) if isinstance(task.context, dict) else None
    return name if isinstance(name, str) else None


def _call(name: str, **arguments: Any) -> Call:
    return {"name": name, "arguments": arguments}
