"""File leases: a task gets all of its declared files or none, and shares none with another holder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from epw.core.globs import literal, literal_prefix, may_overlap

_Granted = dict[tuple[str, str], None]


class Leases:
    """Leases on the glob patterns in `files`, by task; a task that declares none needs no lease.

    Two patterns can only overlap if the literal prefix of one begins with that of the other, so granted patterns are
    indexed by prefix: a grant costs the depth of its paths, not the number of running tasks.
    """

    def __init__(self, files: Mapping[str, Sequence[str]]) -> None:
        self._files = {task: list(patterns) for task, patterns in files.items()}
        # Granted patterns by their prefix, and by every beginning of it.
        self._at: dict[tuple[str, ...], _Granted] = {}
        self._beneath: dict[tuple[str, ...], _Granted] = {}
        self._holders: dict[str, None] = {}

    def add(self, task: str, paths: Sequence[str]) -> None:
        """Add files to what the task, which holds nothing now, gets by its next grant."""
        wanted = self._files.setdefault(task, [])
        wanted += [pattern for pattern in map(literal, paths) if pattern not in wanted]

    def grant(self, task: str) -> bool:
        """Take all files of the task; false, and none taken, if one may overlap with another holder's."""
        wanted = self._files.get(task, ())
        if any(may_overlap(mine, theirs) for mine in wanted for theirs in self._near(task, mine)):
            return False
        if wanted:
            self._holders[task] = None
        for mine in wanted:
            for index, start in self._places(mine):
                index.setdefault(start, {})[task, mine] = None
        return True

    def release(self, task: str) -> bool:
        """Give back the task's files; whether it held any."""
        if task not in self._holders:
            return False
        del self._holders[task]
        for mine in self._files[task]:
            for index, start in self._places(mine):
                granted = index.get(start, {})
                granted.pop((task, mine), None)
                if not granted:
                    index.pop(start, None)
        return True

    def _near(self, task: str, pattern: str) -> Iterator[str]:
        """Granted patterns of other tasks that could overlap with this one."""
        start = literal_prefix(pattern)
        groups = [self._at.get(start[:length], {}) for length in range(len(start))]
        for group in (*groups, self._beneath.get(start, {})):
            for holder, theirs in group:
                if holder != task:
                    yield theirs

    def _places(self, pattern: str) -> Iterator[tuple[dict[tuple[str, ...], _Granted], tuple[str, ...]]]:
        """Each index and key under which a granted pattern is kept."""
        start = literal_prefix(pattern)
        yield self._at, start
        for length in range(len(start) + 1):
            yield self._beneath, start[:length]
