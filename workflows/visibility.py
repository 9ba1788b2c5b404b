"""What Temporal itself shows of an execution: search attributes and current details."""

from __future__ import annotations

from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributeUpdate

from epw.core.execution.state import ExecutionState

STATUS = SearchAttributeKey.for_keyword("EpwStatus")
STRATEGY = SearchAttributeKey.for_keyword("EpwStrategy")
WAITING = SearchAttributeKey.for_keyword("EpwWaiting")
FAILED_TASKS = SearchAttributeKey.for_int("EpwFailedTasks")
# Each change is an event; CONTRACT section 8 bounds those of an execution.
_MAX_UPSERTS = 24


class Visibility:
    """Writes search attributes when they change. Disabled where the server does not know them:
    an unknown attribute would fail the workflow task for ever."""

    def __init__(self) -> None:
        self.enabled = False
        self._shown: tuple[str, str, int] | None = None
        self._upserts = 0

    def show(self, execution: ExecutionState, status: str, *, last: bool) -> None:
        waiting = next(
            (kind for kind in ("question", "usage-limit", "resources", "files") if execution.waits[kind]), ""
        )
        state = (status, waiting, execution.counts["failed"])
        if not self.enabled or state == self._shown or (self._upserts >= _MAX_UPSERTS and not last):
            return
        updates: list[SearchAttributeUpdate[Any]] = [
            STATUS.value_set(status),
            WAITING.value_set(waiting),
            FAILED_TASKS.value_set(state[2]),
        ]
        if self._shown is None:
            updates.append(STRATEGY.value_set(execution.plan.strategy))
        workflow.upsert_search_attributes(updates)
        self._shown = state
        self._upserts += 1
