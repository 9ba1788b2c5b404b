"""Directories of steps that run a command where no agent works: checks, `verify`, notices."""

from __future__ import annotations

from activities.attempt.directory import AttemptDirectory
from activities.state.execution_store import ExecutionStore
from epw.core.messages import TaskRun


def directory_without_agent(
    execution: ExecutionStore,
    name: str,
    kind: str,
    activity_attempt: int = 1,
    *,
    hub: str | None = None,
    base: str | None = None,
) -> AttemptDirectory:
    """A directory as an attempt has it, with the commit `base` of `hub`; nothing in it is anybody's work."""
    run = TaskRun(task_id=name, attempt=1, agent_id=kind, hub=hub, base=base)
    return AttemptDirectory(execution, run, activity_attempt, keeps_work=False)
