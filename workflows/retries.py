"""Tasks that people have run again while the execution goes on, with everything that depends on them."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from epw.core.decisions.resolver import Resolver
from epw.core.execution.state import ExecutionState
from epw.core.execution.steered import Steered
from epw.core.execution.task_steering import TaskSteering
from workflows.attempts import Attempts
from workflows.budget import ExecutionBudget
from workflows.clock import now
from workflows.merge_queue import MergeQueue
from workflows.open_questions import OpenQuestions


class Retries:
    """Stops what is under way of the tasks, takes their changes out of the head, and starts them anew."""

    def __init__(
        self,
        execution: ExecutionState,
        attempts: Attempts,
        merge_queue: MergeQueue,
        resolver: Resolver,
        open_questions: OpenQuestions,
        budget: ExecutionBudget,
    ) -> None:
        self._execution = execution
        self._steering = TaskSteering(execution)
        self._attempts = attempts
        self._merge_queue = merge_queue
        self._resolver = resolver
        self._open_questions = open_questions
        self._budget = budget

    def begin(self, task_id: str, entry: Steered | None) -> None:
        """Have a task run again once nothing of it, and of what follows, is under way."""
        for each in self._steering.begin_retry(task_id, entry, now()):
            self._attempts.cancel(each)
        self._close_waits()

    def proceed(self) -> None:
        """Start the tasks anew if that can be done now, or take their changes out of the head first."""
        tasks = self._execution.restarting
        if not tasks or self._execution.stopping or self._merge_queue.is_busy_with(tasks):
            return
        if any(self._steering.is_under_way(each) for each in tasks):
            return
        if any(task_id in tasks for task_id, _ in self._merge_queue.landings):
            self._merge_queue.take_out(tasks, partial(self._taken_out, tasks))
        else:
            self._restart()

    def _taken_out(self, tasks: Collection[str], conflicting: list[str]) -> None:
        """Note what is out of the head; where changes do not merge without it, their tasks run again too.

        The next turn starts them: meanwhile people may have wanted more tasks to run again.
        """
        for task_id in conflicting:
            self.begin(task_id, None)
        if not conflicting:
            self._steering.taken_out(tasks, now())

    def _restart(self) -> None:
        self._close_waits()
        for task_id in self._steering.restart(now()):
            self._resolver.restarted(task_id)

    def _close_waits(self) -> None:
        """Let go of what the tasks wait for: answers, ends of usage limits, a higher budget."""
        for task_id in self._execution.restarting:
            if not self._steering.is_under_way(task_id):
                self._attempts.cancel(task_id)
                self._budget.forget(task_id)
                self._open_questions.withdraw(task_id, "the task runs again")
