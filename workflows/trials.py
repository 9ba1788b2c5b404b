"""Trials: merges of changes that checkers or `verify` have to read first, while other changes land."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError

from epw.core.execution.bisect import first_bad
from epw.core.execution.state import ExecutionState
from epw.core.landing import Change, Checked, CheckHeadRequest, CheckRequest, ConflictFound, Landing
from epw.core.messages import CHECK, CHECK_HEAD, StepRequest
from workflows import dispatch
from workflows.clock import now
from workflows.event_queue import EventQueue
from workflows.merge_checks import refusal
from workflows.verification import Verification

_MAX_IN_VAIN = 3
"""After so many trials of one change, with something else in its files each time, nothing lands beside the next."""


@dataclass(frozen=True)
class Passed:
    """The trial that a change has passed."""

    head: str
    """The head that the trial began with."""
    beside: list[str]
    """Tasks whose changes were merged before it in the trial."""
    at: int
    """Date of its merge there, epoch seconds: with the same head, it is the same commit."""
    is_read: bool
    """Whether checkers have read it."""
    is_verified: bool


@dataclass(frozen=True)
class _Tried:
    """A change in a trial."""

    change: Change
    row: Landing
    at: int

    @property
    def task_id(self) -> str:
        return self.row.task_id

    @property
    def merged(self) -> str:
        """The commit with it and those before it."""
        return self.row.merged or ""


class Trials:
    """Reads and verifies merges that have not landed yet, all that wait in one run; one run at a time.

    `refuse` is called for a change whose merge does not pass; the others are ready to land afterwards. `left_heads`:
    those that have been built again since. `problems`: why checkers said nothing.
    """

    def __init__(
        self,
        execution: ExecutionState,
        hub: str,
        start: Callable[[str, StepRequest, str], workflow.ActivityHandle[Any]],
        verification: Verification,
        refuse: Callable[[str, ConflictFound], None],
        left_heads: Collection[str],
        problems: dict[str, None],
        events: EventQueue,
    ) -> None:
        self._execution = execution
        self._hub = hub
        self._start = start
        self._verification = verification
        self._refuse = refuse
        self._left_heads = left_heads
        self._problems = problems
        self._events = events
        self._task: asyncio.Task[None] | None = None
        self._tried: list[str] = []
        """Tasks whose changes are in the trial that is under way."""
        # By commit:
        self._waiting: dict[str, None] = {}
        self._alone: dict[str, None] = {}
        self._unreadable: dict[str, None] = {}
        self._passed: dict[str, Passed] = {}
        self._in_vain: Counter[str] = Counter()

    def __bool__(self) -> bool:
        """Whether a trial is under way."""
        return self._task is not None

    @property
    def holds(self) -> bool:
        """Whether nothing may land now: a change is tried that others have overtaken again and again."""
        return any(self._in_vain[self._commit(each)] >= _MAX_IN_VAIN for each in self._tried)

    def any_of(self, tasks: Collection[str]) -> bool:
        """Whether a change of these tasks is being tried."""
        return any(task_id in tasks for task_id in self._tried)

    def cancel(self) -> None:
        """Cancel the trial that is under way."""
        if self._task is not None:
            self._task.cancel()

    def ready(self, waiting: Sequence[str]) -> list[str]:
        """Those of the changes that are to land which need not wait for the end of a trial."""
        if self._task is None:
            return list(waiting)
        return [each for each in waiting if self._commit(each) not in self._waiting]

    def marked(self, change: Change) -> Change:
        """The change with what its trials have shown so far."""
        commit = self._commit(change.task_id)
        found = self._passed.get(commit)
        passed = found if found is not None and found.head not in self._left_heads else None
        read_with = passed.head if passed is not None and passed.is_read else None
        return change.model_copy(
            update={
                "checked_with": "" if commit in self._unreadable else read_with or change.checked_with,
                "verified_with": passed.head if passed is not None and passed.is_verified else None,
                "beside": passed.beside if passed is not None else [],
                "at": passed.at if passed is not None else None,
                "waits": commit in self._waiting,
                "alone": commit in self._alone,
            }
        )

    def take(self, rows: Sequence[Landing], head: str, changes: Sequence[Change], at: int) -> None:
        """Try the changes that were merged onto the head; the others wait for the next trial.

        `at`: date of the merges, epoch seconds.
        """
        of_task = {change.task_id: change for change in changes}
        tried = []
        for row in rows:
            change, commit = of_task[row.task_id], self._commit(row.task_id)
            self._waiting.pop(commit, None)
            if row.merged is None:
                self._waiting[commit] = None
                self._execution.to_land.append(row.task_id)
                continue
            self._in_vain[commit] += commit in self._passed
            tried.append(_Tried(change, row, change.at or at))
        if tried:
            self._tried = [each.task_id for each in tried]
            self._task = asyncio.create_task(self._try(tried, head))
            self._task.add_done_callback(self._ended)

    def _ended(self, trial: asyncio.Task[None]) -> None:
        self._task, self._tried = None, []
        if not trial.cancelled():
            # A bug must fail the workflow task, which a corrected worker retries.
            self._events.post(trial.result)

    async def _try(self, tried: list[_Tried], head: str) -> None:
        """Let the changes land that pass; whose merge alone does not pass is refused, the others are tried again."""
        tasks = [each.task_id for each in tried]
        try:
            passed, blamed, conflict = await self._judge(tried, head)
        except (ActivityError, asyncio.CancelledError) as error:
            if dispatch.is_cancelled(error):
                self._execution.to_land[:0] = tasks
                return
            for task_id in tasks:
                self._execution.give_up(task_id, "failed", dispatch.failure_of(error)[0], now())
            return
        if head in self._left_heads:
            # Whatever was said is of a head with something that is out of it now.
            self._execution.to_land[:0] = tasks
            return
        for number, each in enumerate(tried[:passed]):
            names, verifies = any(one.row.to_check for one in tried), any(one.row.to_verify for one in tried)
            self._passed[self._commit(each.task_id)] = Passed(head, tasks[:number], each.at, names, verifies)
        self._execution.to_land[:0] = [task_id for task_id in tasks if task_id != blamed]
        if blamed is None:
            return
        if conflict is not None and len(tasks) == 1:
            self._refuse(blamed, conflict)
        else:
            # Those before it may yet stay out: it is to blame only for what it does to a head that has landed.
            self._alone[self._commit(blamed)] = None
            self._execution.to_land.append(blamed)

    async def _judge(self, tried: list[_Tried], head: str) -> tuple[int, str | None, ConflictFound | None]:
        """How many of the changes have passed, the task to blame, and the conflict."""
        names = list(dict.fromkeys(name for each in tried for name in each.row.to_check))
        if names:
            checked = await self._read(tried, head, names)
            self._problems |= dict.fromkeys(checked.problems)
            if checked.conflict is not None:
                return 0, checked.conflict.tasks[0], checked.conflict
            if checked.problems:
                # What symbols alone show counts again.
                self._unreadable |= dict.fromkeys(self._commit(each.task_id) for each in tried)
                return 0, None, None
        if not any(each.row.to_verify for each in tried):
            return len(tried), None, None
        self._verification.knows_commits = True
        number = await self._first_red([head, *(each.merged for each in tried)], tried)
        if number is None:
            return len(tried), None, None
        row, verdict = tried[number - 1].row, self._verification.verdict(tried[number - 1].merged)
        conflict = self._verification.conflict([row.task_id, *row.shared_with], row.shared_paths, verdict)
        return number - 1, row.task_id, conflict

    async def _read(self, tried: list[_Tried], head: str, names: list[str]) -> Checked:
        """What checkers say of the merges, all at once; where there is one, as of any merge of two sides."""
        first, tasks = tried[0], ", ".join(each.task_id for each in tried)
        request: StepRequest
        if len(tried) == 1:
            name, row = CHECK, first.row
            request = CheckRequest(
                hub=self._hub,
                head=head,
                change=first.change,
                merged=first.merged,
                names=names,
                is_rewritten=bool(row.renames),
            )
        else:
            name, heads = CHECK_HEAD, [head, *(each.merged for each in tried)]
            changes = [each.change for each in tried]
            request = CheckHeadRequest(hub=self._hub, heads=heads, changes=changes, names=names, is_trial=True)
        try:
            checked: Checked = await dispatch.awaited(self._start(name, request, f"check {tasks}"[:200]))
        except ActivityError as error:
            # What could not be checked lands: only what a checker says holds a change up.
            if dispatch.is_cancelled(error):
                raise
            return Checked(problems=[f"{', '.join(names)}: {dispatch.message_of(error)}"[:300]])
        if checked.conflict is not None and len(tried) == 1:
            return checked.model_copy(update={"conflict": refusal(first.row, checked.conflict)})
        return checked

    async def _first_red(self, heads: list[str], tried: list[_Tried]) -> int | None:
        """Number of the first change, from 1, with which `verify` fails; None: it passes, or fails without any."""
        label = f"after {', '.join(each.task_id for each in tried)}"[:200]
        if await self._verification.has_passed(heads[-1], label):
            return None

        async def passes(number: int) -> bool:
            label = f"after {tried[number - 1].task_id}" if number else f"before {tried[0].task_id}"
            return await self._verification.has_passed(heads[number], label)

        return await first_bad(len(heads), passes)

    def _commit(self, task_id: str) -> str:
        return self._execution.tasks[task_id].commit or task_id
