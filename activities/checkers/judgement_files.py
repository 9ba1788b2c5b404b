"""Files of judgements in the state directory, beside those of executions."""

from __future__ import annotations

from pathlib import Path

from activities.state.execution_store import ExecutionStore
from activities.system.file_lock import FileLock

NAME = "merge-check"


def is_judgement(execution: ExecutionStore) -> bool:
    """Whether files in the state directory are those of a judgement, and of no execution."""
    return execution.workflow_id.startswith(f"{NAME}-")


def was_killed(execution: ExecutionStore) -> bool:
    """Whether no process of a judgement is left."""
    with FileLock.opened(lock_of(execution)) as lock:
        return lock.try_acquire()


def lock_of(execution: ExecutionStore) -> Path:
    """Lock that a judgement holds while it is made."""
    return execution.path / "at-work"
