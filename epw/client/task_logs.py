"""Logs of tasks' attempts on this machine."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from activities.state.execution_store import ExecutionStore
from epw.core.naming import slug


@dataclass(frozen=True)
class TaskLog:
    """Log of one attempt: what its agent and its commands have printed, without secrets."""

    task_id: str
    attempt: int
    bytes: int
    path: Path


VERIFY = "verify"
"""Name under which the logs of the plan's `verify` are found, where no task has it."""
_VERIFY_LOG = re.compile(r"verify-[0-9a-f]{12}-[0-9a-f]{12}")


def logs_of(execution: ExecutionStore, task_ids: Iterable[str], *, even_empty: bool = False) -> list[TaskLog]:
    """The logs of these tasks, by task and attempt; of those that are empty only if `even_empty`."""
    tasks = {slug(task_id): task_id for task_id in task_ids}
    found, order = [], {task_id: place for place, task_id in enumerate(tasks.values())}
    for path in execution.log("*").parent.glob("*.log"):
        name, _, number = path.stem.rpartition(".")
        if VERIFY in order and _VERIFY_LOG.fullmatch(name) and name not in tasks:
            tasks[name] = VERIFY
        size = path.stat().st_size
        if name in tasks and number.isdigit() and (size or even_empty):
            found.append(TaskLog(tasks[name], int(number), size, path))
    return sorted(found, key=lambda log: (order[log.task_id], log.attempt, log.path.stat().st_mtime))
