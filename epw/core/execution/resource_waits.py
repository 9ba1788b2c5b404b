"""Attempts that wait, where they are, for room on their machine; as their workers tell. Pure."""

from __future__ import annotations

from epw.core.execution.state import ExecutionState


class ResourceWaits:
    def __init__(self, execution: ExecutionState) -> None:
        self._execution = execution
        self._told: dict[str, list[str]] = {}
        """By worker."""

    def stand_in_line(self, worker: str, tasks: list[str], now: int) -> None:
        """These attempts, and of this worker's no others, wait for room; they keep their agents."""
        execution = self._execution
        named = [task_id for task_id in tasks if task_id in execution.tasks]
        for task_id in self._told.get(worker, []):
            if execution.tasks[task_id].waiting_for == "resources" and task_id not in named:
                execution.move(task_id, "running", now=now)
        for task_id in named:
            if execution.tasks[task_id].status == "running":
                execution.move(task_id, "waiting", "resources", now)
        self._told[worker] = named
