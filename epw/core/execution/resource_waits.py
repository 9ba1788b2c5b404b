"""Attempts that wait, where they are, for room on their machine; as their workers tell. Pure."""

from __future__ import annotations

from epw.core.execution.state import Board


class Crowd:
    def __init__(self, board: Board) -> None:
        self._board = board
        self._told: dict[str, list[str]] = {}
        """By worker."""

    def stand_in_line(self, worker: str, tasks: list[str], now: int) -> None:
        """These attempts, and of this worker's no others, wait for room; they keep their agents."""
        board = self._board
        named = [task_id for task_id in tasks if task_id in board.tasks]
        for task_id in self._told.get(worker, []):
            if board.tasks[task_id].waiting_for == "resources" and task_id not in named:
                board.move(task_id, "running", now=now)
        for task_id in named:
            if board.tasks[task_id].status == "running":
                board.move(task_id, "waiting", "resources", now)
        self._told[worker] = named
