"""Attempts that wait within their activity for free resources of a machine, as workers report them."""

from __future__ import annotations

from epw.core.execution.state import ExecutionState


class ResourceWaits:
    """Applies the workers' reports to the tasks of an execution."""

    def __init__(self, execution: ExecutionState) -> None:
        self._execution = execution
        self._reported: dict[str, list[str]] = {}
        """Task ids of the last report, by worker."""

    def report(self, worker: str, tasks: list[str], now: int) -> None:
        """Set the waiting tasks of a worker: these and no others. They keep their agents meanwhile."""
        execution = self._execution
        known = [task_id for task_id in tasks if task_id in execution.tasks]
        for task_id in self._reported.get(worker, []):
            if execution.tasks[task_id].waiting_for == "resources" and task_id not in known:
                execution.move(task_id, "running", now=now)
        for task_id in known:
            if execution.tasks[task_id].status == "running":
                execution.move(task_id, "waiting", "resources", now)
        self._reported[worker] = known
