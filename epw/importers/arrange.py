"""Order of a nested list: which entries each has to wait for, with parallel runs and barriers."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

_MAX_EDGES = 200_000


@dataclass(frozen=True)
class Entry:
    """One entry of the list; entries with the same parent are siblings, in order."""

    parent: int | None
    """Index of the entry that waits for this one and its siblings; nesting is at most a few dozen levels."""
    parallel: bool
    """Whether it may run beside its parallel neighbours of the same group."""
    group: Hashable
    is_open: bool
    """Whether it is still to be done: what is done is waited for no more, and its place in the list still counts."""


class TooManyEdges(ValueError):
    """The list would need more than 200,000 dependencies."""


def arrange(entries: Sequence[Entry], *, barriers: bool) -> list[list[int]]:
    """Indices of the open entries that each entry waits for, by index.

    Siblings form steps: a run of parallel ones of one group, or a single one. A step waits for the step before it;
    without `barriers`, the first step of a group only for what its parent waits for. A parent waits for its children,
    which wait for what it would wait for without them. Raises `TooManyEdges`.
    """
    return _Arrangement(entries, barriers).result()


class _Arrangement:
    def __init__(self, entries: Sequence[Entry], barriers: bool) -> None:
        self._entries = entries
        self._barriers = barriers
        self._children: dict[int | None, list[int]] = {}
        for index, entry in enumerate(entries):
            self._children.setdefault(entry.parent, []).append(index)
        self._before: list[list[int]] = [[] for _ in entries]
        self._edges = 0

    def result(self) -> list[list[int]]:
        self._walk(None, [])
        return self._before

    def _walk(self, parent: int | None, start: list[int]) -> list[int]:
        """Order the children of an entry, the first ones after `start`; returns those that the parent waits for."""
        front, step, every = start, list[int](), list[int]()
        previous: Entry | None = None
        for index in self._children.get(parent, []):
            entry = self._entries[index]
            if previous is not None and not (entry.parallel and previous.parallel and entry.group == previous.group):
                front, step = step or front, []
                if entry.group != previous.group and not self._barriers:
                    front = start
            below = self._walk(index, front)
            own = [index] if entry.is_open else below
            if entry.is_open:
                self._wait(index, below or front)
            step, previous = [*step, *own], entry
            every += own
        return every

    def _wait(self, index: int, before: list[int]) -> None:
        self._edges += len(before)
        if self._edges > _MAX_EDGES:
            raise TooManyEdges(f"its order would need more than {_MAX_EDGES} dependencies; split it")
        self._before[index] = before
