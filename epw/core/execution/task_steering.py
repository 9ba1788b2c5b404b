"""Changes of single tasks that people ask for while an execution runs, and when each is possible."""

from __future__ import annotations

from collections.abc import Collection

from epw.core.amounts import few
from epw.core.errors import InvalidRequest
from epw.core.execution.state import ExecutionState
from epw.core.execution.steered import Steered
from epw.core.execution.task_state import TaskState
from epw.core.messages import TaskOutcome
from epw.core.plan.wording import did_you_mean

BY_A_PERSON = "cancelled by a person"
_MAX_NAMED = 10


class TaskSteering:
    """Applies people's wishes to an execution. The `check_…` raise `InvalidRequest` for what is not possible now."""

    def __init__(self, execution: ExecutionState) -> None:
        self._execution = execution

    def known(self, task_id: str) -> TaskState:
        """The task with this id; raises `InvalidRequest` where there is none."""
        state = self._execution.tasks.get(task_id)
        if state is None:
            known = list(self._execution.tasks)
            hint = did_you_mean(task_id, known) or f" (there are: {few(known, _MAX_NAMED)})"
            raise InvalidRequest(f"there is no task {task_id[:200]!r}{hint}")
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
        if task_id in self._execution.restarting:
            raise InvalidRequest(f"{task_id} is about to run again: cancel it once it is ready or runs")
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

    def check_retry(self, task_id: str) -> None:
        """A task can run again once it has ended, if what it depends on has succeeded."""
        execution, state = self._execution, self.known(task_id)
        if task_id in execution.restarting:
            raise InvalidRequest(f"{task_id} is about to run again already")
        if not state.is_terminal:
            waits = f" for {state.waiting_for}" if state.waiting_for else ""
            raise InvalidRequest(f"{task_id} has not ended: it is {state.status}{waits}")
        if execution.levels:
            raise InvalidRequest('with atomic "batch" no task runs again by itself; after the end: `epw retry ID`')
        for before in execution.graph.dependencies[task_id]:
            if (status := execution.tasks[before].status) != "succeeded":
                raise InvalidRequest(f"{task_id} depends on {before}, which is {status}: retry that first")

    def begin_retry(self, task_id: str, entry: Steered | None, now: int) -> list[str]:
        """Have a task run again, and what follows; returns the ones whose agents are to be stopped before.

        It starts by `restart`, when nothing of them is under way any more.
        """
        execution, stopped = self._execution, list[str]()
        execution.retrying[task_id] = entry
        for each in execution.restarting:
            state = execution.tasks[each]
            if self.is_under_way(each):
                stopped.append(each)
            elif state.landed and state.commit is not None:
                execution.move(each, "waiting", "landing", now)
            elif state.waiting_for != "landing":
                execution.scheduler.release_files(each)
                execution.move(each, "pending", now=now)
        return stopped

    def end_for_restart(self, task_id: str, outcome: TaskOutcome | None, now: int) -> None:
        """End an attempt of a task that is to run again, whatever came of it."""
        self._execution.end_attempt(task_id, outcome, now)
        self._execution.scheduler.release_files(task_id)
        self._execution.move(task_id, "pending", now=now)

    def taken_out(self, tasks: Collection[str], now: int) -> None:
        """Note that the changes of tasks which run again are not in the head any more."""
        for task_id in tasks:
            state = self._execution.tasks[task_id]
            if state.landed:
                state.landed = False
                self._execution.move(task_id, "pending", now=now)

    def restart(self, now: int) -> list[str]:
        """Queue the tasks anew that are about to run again; their changes are not in the head (any more)."""
        execution, tasks = self._execution, list(self._execution.restarting)
        execution.to_land = [each for each in execution.to_land if each not in tasks]
        for each in tasks:
            execution.reused.pop(each, None)
            execution.tasks[each].restart()
            execution.move(each, "pending", now=now)
        for each in execution.scheduler.reopen(tasks):
            execution.move(each, "ready", now=now)
        for task_id, entry in execution.retrying.items():
            if entry is not None:
                entry.outcome = _outcome(task_id, tasks)
        execution.retrying.clear()
        return tasks

    def check_message(self, task_id: str) -> None:
        """A task can be told something until it has ended, where its agent reads."""
        execution, state = self._execution, self.known(task_id)
        if state.is_terminal:
            raise InvalidRequest(f"{task_id} has ended: it is {state.status}; retry it, then tell its next agent")
        if execution.plan.backend_of(state.task).simulated:
            raise InvalidRequest(f"the agent of {task_id} is simulated: it reads no messages")

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


def _outcome(task_id: str, tasks: list[str]) -> str:
    more = [each for each in tasks if each != task_id]
    named = few(more, _MAX_NAMED)
    return f"runs again{f', and with it {named}' if named else ''}"
