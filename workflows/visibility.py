"""Search attributes of an execution."""

from __future__ import annotations

from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributeUpdate

from epw.core import search_attributes
from epw.core.execution.state import ExecutionState

STATUS = SearchAttributeKey.for_keyword(search_attributes.STATUS)
STRATEGY = SearchAttributeKey.for_keyword(search_attributes.STRATEGY)
WAITING = SearchAttributeKey.for_keyword(search_attributes.WAITING)
FAILED_TASKS = SearchAttributeKey.for_int(search_attributes.FAILED_TASKS)
_PATCH_CONFLICTED_COUNT = "conflicted-tasks-have-failed"
_MAX_UPSERTS = 24
"""Each is an event of the history, whose number is bounded (docs/invariants.md, I14)."""


class Visibility:
    """Writer of the search attributes, when they change."""

    def __init__(self) -> None:
        self.enabled = False
        """Whether the server knows the attributes: an unknown one would fail the workflow task for ever."""
        self._written: tuple[str, str, int] | None = None
        self._upserts = 0

    def show(self, execution: ExecutionState, status: str, *, last: bool) -> None:
        """Write the attributes that have changed; `last`: even beyond the bound of events."""
        kinds = ("question", "host", "usage-limit", "resources", "files")
        waiting = next((kind for kind in kinds if execution.waits[kind]), "host" if execution.away_steps else "")
        if not self.enabled:
            return
        state = (status, waiting, self._failures(execution))
        if state == self._written or (self._upserts >= _MAX_UPSERTS and not last):
            return
        updates: list[SearchAttributeUpdate[Any]] = [
            STATUS.value_set(status),
            WAITING.value_set(waiting),
            FAILED_TASKS.value_set(state[2]),
        ]
        if self._written is None:
            updates.append(STRATEGY.value_set(execution.plan.strategy))
        workflow.upsert_search_attributes(updates)
        self._written = state
        self._upserts += 1

    def _failures(self, execution: ExecutionState) -> int:
        """Number of tasks that failed or conflicted; in executions from before that was so, of those that failed."""
        counts_conflicts = not execution.counts["conflicted"] or workflow.patched(_PATCH_CONFLICTED_COUNT)
        return execution.failures if counts_conflicts else execution.counts["failed"]
