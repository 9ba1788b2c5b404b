"""A task that reads what a concurrent one wrote, with no edge between them: which of the two it saw is chance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from activities.git.changes import changed_paths
from activities.git.command import shown
from activities.git.hub import Hub
from workflows.globs import matches
from workflows.messages import ConflictFound
from workflows.plan import Task

_MOST_PATHS = 10
_MOST_CHARACTERS = 200


def hazards(hub: Hub, tasks: Mapping[str, Task], task_id: str, commit: str, head: str) -> Iterator[ConflictFound]:
    """Between a change and those that have landed since it was begun, by what the tasks declare as `reads`.

    Advice: whether it matters only the tasks know.
    """
    if not any(task.reads for task in tasks.values()):
        return
    started_from = hub.parent_of(commit)
    own = changed_paths(hub, started_from, commit)
    for other, paths in hub.changes_of_tasks(started_from, head).items():
        if other == task_id or other not in tasks:
            continue
        yield from _between(tasks, reader=task_id, writer=other, written=paths)
        yield from _between(tasks, reader=other, writer=task_id, written=own)


def _between(tasks: Mapping[str, Task], *, reader: str, writer: str, written: list[str]) -> Iterator[ConflictFound]:
    reads = tasks[reader].reads if reader in tasks else []
    paths = [path for path in written if any(matches(pattern, path) for pattern in reads)]
    if paths:
        named = [shown(path)[:_MOST_CHARACTERS] for path in paths[:_MOST_PATHS]]
        told = f"{reader} reads {', '.join(named)}, which {writer} wrote at the same time, and no edge orders them"
        proposal = f'; let {reader} depend on {writer} ("dependsOn": ["{writer}"]), or {writer} on {reader}'
        yield ConflictFound(kind="hazard", tasks=[reader, writer], paths=named, description=(told + proposal)[:1000])
