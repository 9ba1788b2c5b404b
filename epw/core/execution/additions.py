"""Tasks that are added to an execution while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from epw.core.errors import InvalidPlan, InvalidRequest
from epw.core.execution.state import ExecutionState
from epw.core.plan.additions import read_added
from epw.core.plan.model import Task

_ENDED_BADLY = ("failed", "conflicted", "cancelled", "skipped")


class Additions:
    """Checks tasks against an execution's plan and its present state, and adds them."""

    def __init__(self, execution: ExecutionState) -> None:
        self._execution = execution

    def checked(self, documents: Sequence[Any]) -> list[Task]:
        """The tasks; raises `InvalidRequest` with every problem, each with its path."""
        execution = self._execution
        if execution.levels:
            raise InvalidRequest(
                'with atomic "batch" no task is added, since levels land whole; after the end: '
                "`epw retry ID PLAN` with a plan that has them too"
            )
        restarting = execution.restarting
        ended = {
            task_id: execution.tasks[task_id].status
            for task_id in execution.with_status(*_ENDED_BADLY)
            if task_id not in restarting
        }
        try:
            return read_added(execution.plan, documents, ended)
        except InvalidPlan as error:
            raise InvalidRequest(str(error)) from None

    def add(self, documents: Sequence[Any], now: int) -> list[str]:
        """Add the tasks; they are scheduled like others. Returns their ids; raises as `checked`."""
        tasks = self.checked(documents)
        self._execution.add(tasks, now)
        return [task.id for task in tasks]
