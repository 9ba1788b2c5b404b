"""Changes of single tasks that people ask for while an execution runs, and when each is possible."""

from __future__ import annotations

from epw.core.errors import InvalidRequest
from epw.core.execution.state import ExecutionState
from epw.core.execution.task_state import TaskState
from epw.core.messages import TaskOutcome
from epw.core.plan.wording import did_you_mean

BY_A_PERSON = "cancelled by a person"


class TaskSteering:
    """Applies people's wishes to an execution. The `check_…` raise `InvalidRequest` for what is not possible now."""

    def __init__(self, execution: ExecutionState) -> None:
        self._execution = execution

    def known(self, task_id: str) -> TaskState:
        """The task with this id; raises `InvalidRequest` where there is none."""
        state = self._execution.tasks.get(task_id)
        if state is None:
            raise InvalidRequest(f"there is no task {task_id[:200]!r}{did_you_mean(task_id, self._execution.tasks)}")
        return state

    def check_cancel(self, task_id: str) -> None:
        """A task can be cancelled until its agent is done."""
        state = self.known(task_id)
        if state.is_terminal:
            raise InvalidRequest(f"{task_id} has ended: it is {state.status}")
        if state.waiting_for == "landing":
            raise InvalidRequest(
                f"the agent of {task_id} is done and its change is about to land; `epw drop` makes a branch without it"
            )
        if state.cancelled_by is not None:
            raise InvalidRequest(f"{task_id} is being cancelled already")

    def is_under_way(self, task_id: str) -> bool:
        """Whether an agent works on the task."""
        return self._execution.scheduler.agent_of(task_id) is not None

    def end_cancelled(self, task_id: str, outcome: TaskOutcome | None, now: int) -> None:
        """End the task as cancelled, and skip what depends on it; neither counts as a failure of the strategy.

        `outcome`: that of its last attempt, where one was under way.
        """
        execution, state = self._execution, self._execution.tasks[task_id]
        before = execution.counts["skipped"]
        execution.cancelled(task_id, outcome, now, BY_A_PERSON)
        execution.skip_descendants(task_id, now)
        if state.cancelled_by is not None:
            count = execution.counts["skipped"] - before
            skipped = f"; {count} that {'depends' if count == 1 else 'depend'} on it skipped" if count else ""
            state.cancelled_by.outcome = f"cancelled{skipped}"
            state.cancelled_by = None

    def check_priority(self, task_id: str) -> None:
        """The priority of a task means something until it has ended."""
        if (state := self.known(task_id)).is_terminal:
            raise InvalidRequest(f"{task_id} has ended: it is {state.status}")

    def set_priority(self, task_id: str, priority: int) -> None:
        """Change when the task starts, among those that are ready."""
        execution, state = self._execution, self._execution.tasks[task_id]
        state.task = state.task.model_copy(update={"priority": priority})
        tasks = [state.task if task.id == task_id else task for task in execution.plan.tasks]
        execution.plan = execution.plan.model_copy(update={"tasks": tasks})
        execution.scheduler.set_priority(task_id, priority)
