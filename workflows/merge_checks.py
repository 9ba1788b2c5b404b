"""Checks of merges by the languages' checkers, while other changes land."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError

from epw.core.conflict_steps import APPLY_RENAME
from epw.core.execution.state import ExecutionState
from epw.core.landing import Change, Checked, CheckRequest, ConflictFound, Landing
from epw.core.messages import CHECK, StepRequest
from workflows import dispatch
from workflows.event_queue import EventQueue

_MAX_DESCRIPTION = 1000
_MAX_IN_VAIN = 3
"""After so many checks of one change, with another head each, nothing lands before it."""


class MergeChecks:
    """Checks under way, and what they have found.

    `start` starts an activity; `refuse` is called for a change whose merge a checker refuses.
    """

    def __init__(
        self,
        execution: ExecutionState,
        hub: str,
        start: Callable[[str, StepRequest, str], workflow.ActivityHandle[Any]],
        refuse: Callable[[str, ConflictFound], None],
        events: EventQueue,
    ) -> None:
        self.problems: dict[str, None] = {}
        """Why checkers said nothing."""
        self._execution = execution
        self._hub = hub
        self._start = start
        self._refuse = refuse
        self._events = events
        self._running: dict[str, asyncio.Task[None]] = {}
        self._heads: dict[str, list[str]] = {}
        """Heads with which checkers have read the merge of a change and found nothing, by its commit."""

    def __bool__(self) -> bool:
        """Whether a check is under way."""
        return bool(self._running)

    def any_of(self, tasks: Collection[str]) -> bool:
        """Whether a change of these tasks is being checked."""
        return any(task_id in tasks for task_id in self._running)

    def cancel(self) -> None:
        """Cancel all checks."""
        for check in self._running.values():
            check.cancel()

    def checked_with(self, commit: str) -> str | None:
        """The last head with which the merge of a change was checked; empty: it cannot be checked."""
        return next(reversed(self._heads.get(commit, [])), None)

    def first(self, waiting: list[str]) -> list[str]:
        """A change that others have overtaken so often that it was checked in vain; it lands alone."""
        commits = {task_id: self._execution.tasks[task_id].commit or "" for task_id in waiting}
        return [each for each in waiting if len(self._heads.get(commits[each], [])) >= _MAX_IN_VAIN][:1]

    async def begin(self, row: Landing, change: Change) -> None:
        """Check the merge of a change, which is ready to land again afterwards; waits where nothing may land before."""
        check = self._running[row.task_id] = asyncio.create_task(self._check(row, change))
        check.add_done_callback(partial(self._ended, row.task_id))
        if self._execution.batches or self.first([row.task_id]):
            await check

    def _ended(self, task_id: str, check: asyncio.Task[None]) -> None:
        del self._running[task_id]
        if not check.cancelled():
            # A bug must fail the workflow task, which a corrected worker retries.
            self._events.post(check.result)

    async def _check(self, row: Landing, change: Change) -> None:
        request = CheckRequest(
            hub=self._hub,
            head=row.head,
            change=change,
            merged=row.merged or "",
            names=row.to_check,
            is_rewritten=bool(row.renames),
        )
        checked, head = Checked(), row.head
        try:
            checked = await dispatch.awaited(self._start(CHECK, request, f"check {row.task_id}"[:200]))
        except (ActivityError, asyncio.CancelledError) as error:
            # What could not be checked lands: only what a checker says holds a change up.
            if not dispatch.is_cancelled(error):
                head = ""
                checked = Checked(problems=[f"{', '.join(row.to_check)}: {dispatch.message_of(error)}"[:300]])
        if checked.problems:
            # What symbols alone show counts again.
            self.problems |= dict.fromkeys(checked.problems)
            head = ""
        if checked.conflict is not None:
            self._refuse(row.task_id, refusal(row, checked.conflict))
        else:
            self._heads.setdefault(change.commit, []).append(head)
            self._execution.to_land.append(row.task_id)


def refusal(row: Landing, found: ConflictFound) -> ConflictFound:
    """The conflict of a merge that a checker refuses: where its uses follow a rename, the one that this was to end."""
    if not row.renames or row.settled is None:
        return found
    description = f"{row.settled.description}; with its uses renamed: {found.description}"[:_MAX_DESCRIPTION]
    tried = {"renames": [], "tried": [APPLY_RENAME], "description": description}
    return row.settled.model_copy(update=tried)
