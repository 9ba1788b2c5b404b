"""File leases: a task gets all of its declared files or none, and shares none with another holder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from epw.core.globs import literal
from epw.core.schedule.pattern_index import PatternIndex


class Leases:
    """Leases on the glob patterns in `files`, by task; a task that declares none needs no lease."""

    def __init__(self, files: Mapping[str, Sequence[str]]) -> None:
        self._files = {task: list(patterns) for task, patterns in files.items()}
        self._granted = PatternIndex[str]()
        self._holders: dict[str, None] = {}

    def of(self, task: str) -> Sequence[str]:
        """The patterns that the task gets by a grant."""
        return self._files.get(task, ())

    def declare(self, task: str, patterns: Sequence[str]) -> None:
        """Note the patterns of a task that is new."""
        self._files[task] = list(patterns)

    def add(self, task: str, paths: Sequence[str]) -> None:
        """Add files to what the task, which holds nothing now, gets by its next grant."""
        wanted = self._files.setdefault(task, [])
        wanted += [pattern for pattern in map(literal, paths) if pattern not in wanted]

    def taken(self, task: str) -> str | None:
        """The first pattern of the task that may overlap with another holder's; None: a grant succeeds."""
        return next((mine for mine in self.of(task) if self.is_taken(mine, task)), None)

    def is_taken(self, pattern: str, by_others_than: str = "") -> bool:
        """Whether a pattern may overlap with one that is held."""
        return any(holder != by_others_than for holder, _ in self._granted.overlapping(pattern))

    def grant(self, task: str) -> bool:
        """Take all files of the task; false, and none taken, if one may overlap with another holder's."""
        if self.taken(task) is not None:
            return False
        wanted = self.of(task)
        if wanted:
            self._holders[task] = None
        for mine in wanted:
            self._granted.add(task, mine)
        return True

    def release(self, task: str) -> bool:
        """Give back the task's files; whether it held any."""
        if task not in self._holders:
            return False
        del self._holders[task]
        for mine in self._files[task]:
            self._granted.remove(task, mine)
        return True
