"""Hazards: a task reads what a concurrent one wrote, with no dependency between them, so either version may be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from activities.git.changes import changed_paths
from activities.git.command import display_paths
from activities.git.hub import Hub
from activities.git.task_commits import changes_of_tasks
from epw.core.globs import matches
from epw.core.landing import ConflictFound
from epw.core.plan.model import Task


@dataclass(frozen=True)
class TaskReads:
    """Files that tasks read: patterns that they declare, and files that their agents were seen to open.

    `seen`: gives the opened files of a task.
    """

    tasks: Mapping[str, Task]
    seen: Callable[[str], Sequence[str]]

    def of(self, task_id: str, among: Sequence[str], own: Sequence[str]) -> list[str]:
        """Reads by a task of some paths, without those that it also wrote: merges show conflicts of these."""
        declared = self.tasks[task_id].reads if task_id in self.tasks else []
        seen = set(self.seen(task_id)) - set(own)
        return [path for path in among if path in seen or any(matches(pattern, path) for pattern in declared)]


def hazards(hub: Hub, reads: TaskReads, task_id: str, commit: str, head: str) -> Iterator[ConflictFound]:
    """Hazards between a change and those that have landed since it was begun; advice, since they may be harmless."""
    started_from = hub.parent_of(commit)
    if started_from == head:
        return
    own = changed_paths(hub, started_from, commit)
    for other, paths in changes_of_tasks(hub, started_from, head).items():
        if other != task_id and other in reads.tasks:
            yield from _between(task_id, other, reads.of(task_id, paths, own))
            yield from _between(other, task_id, reads.of(other, own, paths))


def _between(reader: str, writer: str, paths: Sequence[str]) -> Iterator[ConflictFound]:
    if paths:
        names = display_paths(paths)
        text = f"{reader} reads {', '.join(names)}, which {writer} wrote at the same time, and no edge orders them"
        proposal = f'; let {reader} depend on {writer} ("dependsOn": ["{writer}"]), or {writer} on {reader}'
        yield ConflictFound(kind="hazard", tasks=[reader, writer], paths=names, description=(text + proposal)[:1000])
