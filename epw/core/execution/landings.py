"""Landed changes of an execution, in landing order."""

from __future__ import annotations

from collections.abc import Iterable


class Landings:
    """Task ids, each with the head commit after its landing; empty without a workspace."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, str]] = []

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def order(self) -> list[str]:
        """Task ids in landing order: landing their changes in this order makes the same tree again."""
        return [task_id for task_id, _ in self._rows]

    @property
    def heads(self) -> list[str]:
        """Head commits, oldest first."""
        return [head for _, head in self._rows]

    def append(self, task_id: str, head: str) -> None:
        self._rows.append((task_id, head))

    def cut(self, count: int) -> None:
        """Keep the first `count` landings."""
        del self._rows[count:]

    def replace(self, rows: Iterable[tuple[str, str]]) -> None:
        """Put these landings in place of all."""
        self._rows = list(rows)
