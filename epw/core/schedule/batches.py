"""Batches: levels of the graph that land whole or not at all (`atomic: batch`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping


class Batches:
    """Progress of the batches of an execution; `levels` has the level of each task, and is empty without batches."""

    def __init__(self, levels: Mapping[str, int]) -> None:
        self._levels = levels
        self._complete: dict[int, list[str]] = {}
        """Tasks whose work is done and that wait for the rest of their batch, by level."""
        self._unsettled = Counter(levels.values())
        self.broken: int | None = None
        """The level that has landed in part and in part conflicts: its landings have to be undone."""

    def __bool__(self) -> bool:
        return bool(self._levels)

    def level_of(self, task_id: str) -> int:
        """The level of a task; -1 without batches."""
        return self._levels.get(task_id, -1)

    def members(self, level: int) -> list[str]:
        """The tasks of a level."""
        return [task_id for task_id, own in self._levels.items() if own == level]

    def batch_of(self, task_id: str) -> list[str]:
        """The batch of a task, itself included; empty without batches."""
        return self.members(self._levels[task_id]) if self._levels else []

    def complete(self, task_id: str) -> None:
        """Note that the task's work is done."""
        self._complete.setdefault(self._levels[task_id], []).append(task_id)

    def settle(self, task_id: str) -> Iterable[str] | None:
        """Note that the task needs no agent any more; after the last one of its batch, the complete tasks in order."""
        level = self._levels[task_id]
        self._unsettled[level] -= 1
        return None if self._unsettled[level] else self._complete.pop(level, [])
