"""The levels of a graph that land whole or not at all (`atomic: batch`). Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping


class Batches:
    """`levels`: task → level; empty: nothing lands in batches."""

    def __init__(self, levels: Mapping[str, int]) -> None:
        self._levels = levels
        self._complete: dict[int, list[str]] = {}
        """By level: tasks that are done and wait for the rest of their batch."""
        self._unsettled = Counter(levels.values())
        self.broken: int | None = None
        """A level of which something has landed and something conflicts: its landings must be undone."""

    def __bool__(self) -> bool:
        return bool(self._levels)

    def level_of(self, task_id: str) -> int:
        """-1 where there are no batches."""
        return self._levels.get(task_id, -1)

    def members(self, level: int) -> list[str]:
        return [task_id for task_id, its in self._levels.items() if its == level]

    def beside(self, task_id: str) -> list[str]:
        """The batch of a task, it among them; empty where there are none."""
        return self.members(self._levels[task_id]) if self._levels else []

    def complete(self, task_id: str) -> None:
        """The task's work is done."""
        self._complete.setdefault(self._levels[task_id], []).append(task_id)

    def settle(self, task_id: str) -> Iterable[str] | None:
        """The task needs no agent any more; with the last of its batch: who of it is complete, in that order."""
        level = self._levels[task_id]
        self._unsettled[level] -= 1
        return None if self._unsettled[level] else self._complete.pop(level, [])
