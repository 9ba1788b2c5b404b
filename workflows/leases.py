"""File leases: a task gets all of its declared files or none, and shares none with a running one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from workflows.globs import may_overlap


class Leases:
    """Grants the patterns of `files` by task; a task that declares none needs no lease."""

    def __init__(self, files: Mapping[str, Sequence[str]]) -> None:
        self._files = files
        self._granted: dict[str, Sequence[str]] = {}

    def grant(self, task: str) -> bool:
        """Take all files of the task, unless one may overlap with a granted one."""
        wanted = self._files.get(task, ())
        if wanted and any(
            may_overlap(mine, theirs)
            for holder, granted in self._granted.items()
            if holder != task
            for theirs in granted
            for mine in wanted
        ):
            return False
        if wanted:
            self._granted[task] = wanted
        return True

    def release(self, task: str) -> bool:
        """Give the task's files back; whether it had any."""
        return self._granted.pop(task, None) is not None
