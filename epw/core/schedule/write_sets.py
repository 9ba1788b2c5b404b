"""Write sets: which tasks may write the same file, by the glob patterns of what they write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from epw.core.globs import has_wildcard, literal_beginning, may_overlap


class WriteSets:
    """Patterns that each task writes, and for each pattern those that may overlap with it, itself among them.

    Patterns are compared only where the literal beginning of one continues that of the other, so the work grows with
    the patterns that are near one another, not with the pairs of tasks.
    """

    def __init__(self, files: Mapping[str, Sequence[str]]) -> None:
        self._of = {task: tuple(dict.fromkeys(patterns)) for task, patterns in files.items() if patterns}
        distinct = dict.fromkeys(pattern for patterns in self._of.values() for pattern in patterns)
        self.rivals = {pattern: {pattern} for pattern in distinct}
        for one, other in _near(list(distinct)):
            if not (has_wildcard(one) or has_wildcard(other)) or may_overlap(one, other):
                self.rivals[one].add(other)
                self.rivals[other].add(one)

    def of(self, task: str) -> tuple[str, ...]:
        """Patterns of what the task writes; none where that is not known."""
        return self._of.get(task, ())


def _near(patterns: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Pairs of patterns of which one begins, literally, as the other does."""
    above: list[tuple[str, str]] = []
    # Sorted, everything that continues a text follows it at once.
    for beginning, pattern in sorted((literal_beginning(pattern), pattern) for pattern in patterns):
        while above and not beginning.startswith(above[-1][0]):
            above.pop()
        for _, other in above:
            yield other, pattern
        above.append((beginning, pattern))
