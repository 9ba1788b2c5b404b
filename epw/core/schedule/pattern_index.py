"""Index of glob patterns, by which those that may overlap with a pattern are found without trying all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from epw.core.globs import literal_prefix, may_overlap

K = TypeVar("K")
_Group = dict[tuple[K, str], None]


class PatternIndex(Generic[K]):
    """Patterns, each with the key of whom it belongs to.

    Two patterns can only overlap if the literal prefix of one begins with that of the other, so they are kept by
    prefix: a search costs the depth of a path, not the number of patterns.
    """

    def __init__(self) -> None:
        # By the prefix, and by every beginning of it.
        self._at: dict[tuple[str, ...], _Group[K]] = {}
        self._beneath: dict[tuple[str, ...], _Group[K]] = {}

    def add(self, key: K, pattern: str) -> None:
        for index, start in self._places(pattern):
            index.setdefault(start, {})[key, pattern] = None

    def remove(self, key: K, pattern: str) -> None:
        """Remove a pattern of a key; nothing happens where it is not there."""
        for index, start in self._places(pattern):
            group = index.get(start, {})
            group.pop((key, pattern), None)
            if not group:
                index.pop(start, None)

    def overlapping(self, pattern: str) -> Iterator[tuple[K, str]]:
        """(key, pattern) of all that may overlap with this one."""
        start = literal_prefix(pattern)
        groups = [self._at.get(start[:length], {}) for length in range(len(start))]
        for group in (*groups, self._beneath.get(start, {})):
            for key, other in group:
                if may_overlap(pattern, other):
                    yield key, other

    def _places(self, pattern: str) -> Iterator[tuple[dict[tuple[str, ...], _Group[K]], tuple[str, ...]]]:
        """Each index and key under which a pattern is kept."""
        start = literal_prefix(pattern)
        yield self._at, start
        for length in range(len(start) + 1):
            yield self._beneath, start[:length]
