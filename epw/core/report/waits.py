"""What a waiting task waits for: whom, and until when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from epw.core.execution.state import ExecutionState
from epw.core.execution.task_state import TaskState
from epw.core.globs import may_overlap

_MAX_NAMED = 5
_HOLDS_FILES = (None, "landing", "resources", "host")
"""What a started task can wait for that keeps its files: at a question or a usage limit they are free."""


def wait_of(state: TaskState, execution: ExecutionState) -> dict[str, Any]:
    """`waitingFor`, and where they are known `waitingUntil` (epoch milliseconds), `waitingOn` (task ids) and
    `waitingHost`.
    """
    kind = state.waiting_for
    if kind is None:
        return {}
    found: dict[str, Any] = {"waitingFor": kind}
    if kind == "usage-limit" and state.outcome is not None and state.outcome.until:
        found["waitingUntil"] = state.outcome.until
    if kind == "host":
        found["waitingHost"] = worker_in_words(execution.host, state.task.needs)
    others = _holders(state, execution) if kind == "files" else _told(state, execution) if kind == "resources" else ()
    if named := [other for other, _ in zip(others, range(_MAX_NAMED), strict=False)]:
        found["waitingOn"] = named
    return found


def worker_in_words(host: str | None, needs: Sequence[str]) -> str:
    """The worker that is waited for: `buildhost-1a2b (needs gpu)`."""
    labels = f"(needs {', '.join(needs)})" if needs else ""
    return " ".join(part for part in (host, labels) if part)


def agent_of(state: TaskState) -> str | None:
    """The agent of a task that runs, or of one that has ended; a task that waits has none."""
    return state.agent_id if state.status == "running" or state.is_terminal else None


def _holders(state: TaskState, execution: ExecutionState) -> Iterator[str]:
    """Tasks that hold files which this one declares too."""
    for other, each in execution.tasks.items():
        holds = each.status in ("running", "waiting") and each.attempt > 0 and each.waiting_for in _HOLDS_FILES
        if holds and other != state.task.id and _overlap(state, each):
            yield other


def _overlap(state: TaskState, other: TaskState) -> bool:
    return any(may_overlap(mine, theirs) for mine in state.task.files for theirs in other.task.files)


def _told(state: TaskState, execution: ExecutionState) -> Iterator[str]:
    """Tasks that had the resources when the worker told of it, and go on."""
    return (
        other for other in state.waits_on if other in execution.tasks and execution.tasks[other].status == "running"
    )
