"""Tasks of an execution, counted by status."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from epw.core.execution.task_state import TERMINAL, TaskState
from epw.core.messages import Failure
from epw.core.plan.model import Plan, Task

INCOMPLETE = ("failed", "conflicted", "cancelled")
"""Statuses of tasks that were to succeed."""
_MAX_MESSAGE_LENGTH = 1000


class TaskTable:
    """State of each task, in plan order; a task has exactly one status at any time."""

    def __init__(self, plan: Plan) -> None:
        landed = None if plan.workspace is None else False
        self.tasks = {task.id: TaskState(task, landed) for task in plan.tasks}
        self.counts: Counter[str] = Counter({"pending": len(plan.tasks)})
        """Number of tasks by status."""
        self.left_out: dict[str, None] = {}
        """Tasks that are conflicted because a person has left their change out."""
        self.waits: Counter[str] = Counter()
        """Number of waiting tasks by what they wait for."""

    def append(self, tasks: Sequence[Task], landed: bool | None, now: int) -> None:
        """Add the state of further tasks."""
        self.tasks |= {task.id: TaskState(task, landed, since=now) for task in tasks}
        self.counts["pending"] += len(tasks)

    @property
    def finished(self) -> bool:
        """Whether every task has a terminal status."""
        return sum(self.counts[status] for status in TERMINAL) == len(self.tasks)

    @property
    def failed(self) -> bool:
        """Whether a task is failed or conflicted, but for those that a person has left out."""
        return self.failures > len(self.left_out)

    @property
    def failures(self) -> int:
        """Number of tasks that are failed or conflicted."""
        return self.counts["failed"] + self.counts["conflicted"]

    @property
    def incomplete(self) -> bool:
        """Whether a task has ended that was to succeed: it failed, or a person cancelled it or left it out."""
        return any(self.counts[status] for status in INCOMPLETE)

    def with_status(self, *statuses: str) -> list[str]:
        """Ids of the tasks with one of these statuses."""
        return [task_id for task_id, state in self.tasks.items() if state.status in statuses]

    def move(self, task_id: str, status: str, waiting_for: str | None = None, now: int = 0) -> None:
        """Give a task another status; `waiting_for` belongs to the status `waiting`."""
        state = self.tasks[task_id]
        self.left_out.pop(task_id, None)
        if state.waiting_for is not None:
            self.waits[state.waiting_for] -= 1
        state.end_wait(now)
        if waiting_for is not None:
            self.waits[waiting_for] += 1
        self.counts[state.status] -= 1
        self.counts[status] += 1
        state.status, state.waiting_for, state.since = status, waiting_for, now

    def set_error(self, task_id: str, failure: Failure) -> None:
        """Record why the task's present attempt did not succeed."""
        state = self.tasks[task_id]
        message = failure.message[:_MAX_MESSAGE_LENGTH]
        state.error = {"type": failure.type, "message": message, "attempt": state.attempt}
        if failure.command is not None:
            state.error["command"] = failure.command

    def undo_landings(self, tasks: list[str] | None = None) -> None:
        """Mark the tasks' changes (default: all) as taken out of the head again."""
        for task_id in tasks if tasks is not None else list(self.tasks):
            if self.tasks[task_id].landed:
                self.tasks[task_id].landed = False
