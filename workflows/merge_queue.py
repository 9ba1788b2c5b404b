"""Queue of finished changes, which landing activities merge into the head, one batch at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError

from epw.core import failures
from epw.core.decisions.resolver import Resolver
from epw.core.execution.compensation import Compensations
from epw.core.execution.delivery import Compensation
from epw.core.execution.state import ExecutionState
from epw.core.landing import Change, ConflictFound, Landed, Landing, LandRequest
from epw.core.messages import LAND, Failure, Prepared, StepRequest
from workflows import dispatch
from workflows.clock import now
from workflows.event_queue import EventQueue
from workflows.merge_checks import MergeChecks
from workflows.trials import Trials
from workflows.verification import Verification

_PATCH_BLAME_ON_PASSING_HEAD = "blame-on-green-only"


class MergeQueue:
    """Lands the changes of the execution; does nothing without a workspace.

    `landings` is kept up to date: task id and head commit after it, in landing order.
    """

    def __init__(
        self,
        execution: ExecutionState,
        prepared: Prepared,
        compensations: Compensations,
        events: EventQueue,
        resolver: Resolver,
        landings: list[tuple[str, str]],
    ) -> None:
        self.hub, self.base, self.queue = prepared.hub or "", prepared.base or "", prepared.queue_of_steps
        self.commit = prepared.base if prepared.hub is not None else None
        """The head: the base and what has landed; None without a workspace."""
        self.deliver = execution.plan.deliver or prepared.deliver or "branch"
        self.warnings = prepared.warnings
        self._execution = execution
        self._compensations = compensations
        self._events = events
        self._resolver = resolver
        self.landings = landings
        self._ref = self.base
        """Commit of the head's ref after the last landing activity."""
        self._batch: tuple[int, int] = (-1, 0)
        """The level that is landing (`atomic: batch`), and the number of landings before it."""
        self._task: asyncio.Task[None] | None = None
        self._abandoned = False
        self._left_heads: dict[str, None] = {}
        """Heads that have been built again since: changes made on them are merged without them."""
        self._unread: dict[str, list[str]] = {}
        """Checkers that have not read the merge by which a task landed, by task id."""
        self.verification = Verification(execution, self.hub, self.start)
        self.checks = MergeChecks(execution, self.hub, self.start, self._refuse, events)
        left, problems = self._left_heads, self.checks.problems
        self.trials = Trials(execution, self.hub, self.start, self.verification, self._refuse, left, problems, events)

    @property
    def is_landing(self) -> bool:
        return self._task is not None or bool(self.checks) or bool(self.trials)

    @property
    def heads(self) -> list[str]:
        """The base, and the head after each landing."""
        return [self.base, *(head for _, head in self.landings)]

    @property
    def unread(self) -> list[str]:
        """Checkers that have not read some merge in the head."""
        return list(dict.fromkeys(name for task_id, _ in self.landings for name in self._unread.get(task_id, [])))

    def was_read(self) -> None:
        """Note that checkers have read the head."""
        self._unread.clear()

    def is_busy_with(self, tasks: Collection[str]) -> bool:
        """Whether a landing is under way, or the check or trial of a change of these tasks."""
        return self._task is not None or self.checks.any_of(tasks) or self.trials.any_of(tasks)

    def take_out(self, tasks: Collection[str], then: Callable[[list[str]], None]) -> None:
        """Build the head again without the changes of these tasks, as a landing.

        `then` gets the tasks whose changes do not merge without them; where there are any, the head stays.
        """
        self._task = asyncio.create_task(self._take_out(tasks, then))
        self._task.add_done_callback(self._landed_batch)

    def land(self) -> None:
        """Land what is ready. While a landing is under way, the rest waits for the turn after it."""
        ready = self.trials.ready(self._execution.to_land)
        if self._task is None and ready and not self.trials.holds:
            batch = self.checks.first(ready) or ready
            self._execution.to_land = [each for each in self._execution.to_land if each not in batch]
            level = self._execution.batches.level_of(batch[0])
            if level != self._batch[0]:
                self._batch = level, len(self.landings)
            self._task = asyncio.create_task(self._land(batch))
            self._task.add_done_callback(self._landed_batch)

    def abandon(self) -> None:
        """Stop verifying: everything will be undone."""
        self._abandoned = True
        self.verification.cancel()
        self.checks.cancel()
        self.trials.cancel()

    async def land_alone(self, order: list[str]) -> None:
        """Build the head of changes that are taken over, in this order; leave out what does not merge without the rest.

        Every task has ended afterwards: none runs.
        """
        self._execution.take_over(order, now())
        kept = [each for each in order if self._execution.tasks[each].commit is not None]
        while kept and self.commit is not None:
            landed = await self._merge(self._request(kept, self.base, again=True))
            self._replace_head(landed)
            for row in landed.rows:
                if row.conflict is not None and self._execution.tasks[row.task_id].landed:
                    self.exclude(row.conflict, Failure.of(failures.MERGE_CONFLICT, row.conflict.description))
            still = [task_id for task_id, _ in self.landings if self._execution.tasks[task_id].landed]
            if len(still) == len(self.landings):
                return
            kept = still

    async def _take_out(self, tasks: Collection[str], then: Callable[[list[str]], None]) -> None:
        kept = [task_id for task_id, _ in self.landings if task_id not in tasks]
        landed = await self._merge(self._request(kept, self.base, again=True))
        conflicting = [row.task_id for row in landed.rows if row.conflict is not None]
        if not conflicting:
            self._replace_head(landed)
        then(conflicting)

    async def _land(self, batch: list[str]) -> None:
        settled: dict[str, None] = {}
        try:
            request = self._request(batch, self.commit or "")
            landed = await self._merge(request)
            for row in landed.rows:
                await self._settle(row, landed)
                settled[row.task_id] = None
            self._try([row for row in landed.rows if row.waits], landed.head, request)
            reached = [row.task_id for row in landed.rows]
            self._execution.to_land[:0] = [task_id for task_id in batch if task_id not in reached]
            self._undo_broken_batch()
        except (ActivityError, asyncio.CancelledError) as error:
            left = [each for each in batch if each not in settled and not self._execution.tasks[each].is_terminal]
            if dispatch.is_cancelled(error):
                self._execution.to_land[:0] = left
            else:
                for task_id in left:
                    self._execution.give_up(task_id, "failed", dispatch.failure_of(error)[0], now())

    def _undo_broken_batch(self) -> None:
        """Reset the head to before the batch that has a conflict (`atomic: batch`)."""
        if self._execution.batches.broken is None:
            return
        del self.landings[self._batch[1] :]
        self.commit = self.landings[-1][1] if self.landings else self.base
        self._execution.undo_batch(self._execution.batches.broken, now())

    def _landed_batch(self, task: asyncio.Task[None]) -> None:
        self._task = None
        # A bug must fail the workflow task, which a corrected worker retries; here it would go unnoticed.
        self._events.post(task.result)

    async def _settle(self, row: Landing, landed: Landed) -> None:
        self.checks.problems |= dict.fromkeys(row.unchecked)
        if row.waits:
            return
        if row.to_check:
            await self.checks.begin(row, self.change_of(row.task_id))
            return
        conflict = row.conflict
        joins = row.shared_with or self._resolver.earlier(row.task_id)
        has_verify = self._execution.plan.verify and not landed.has_trials
        if joins and row.conflict is None and has_verify and not self._abandoned:
            verified = await self.verification.verify(row.head, f"after {row.task_id}")
            if not verified.green and await self._passed_before(row.task_id):
                tasks = [row.task_id, *row.shared_with]
                conflict = self.verification.conflict(tasks, row.shared_paths, verified)
        if conflict is not None:
            self._refuse(row.task_id, conflict)
        else:
            self._resolver.landed(row)
            self.commit = row.head
            self._unread[row.task_id] = row.unread
            if self._execution.tasks[row.task_id].commit is not None:
                self.landings.append((row.task_id, row.head))
            self._execution.landed(row.task_id, now())

    def _refuse(self, task_id: str, conflict: ConflictFound) -> None:
        """Do not land a change that conflicts: run a reused task, resolve the conflict of any other."""
        if task_id in self._execution.reused:
            self._execution.run_reused(task_id, now())
        else:
            self._resolver.conflicted(task_id, conflict)

    async def _passed_before(self, task_id: str) -> bool:
        """Whether the head before a change's landing passes `verify`.

        Else the change is not to blame, and the final verification finds the one that is.
        """
        if self._abandoned or not workflow.patched(_PATCH_BLAME_ON_PASSING_HEAD):
            return True
        return await self.verification.has_passed(self.commit or "", f"before {task_id}")

    def exclude(self, conflict: ConflictFound, failure: Failure) -> None:
        """Take the landed change of a conflict's first task out of what stays in the head, with its descendants."""
        self._resolver.left_out(conflict)
        self._execution.undo_culprit(conflict.tasks[0], failure, now())

    async def land_again(self) -> None:
        """Build the head again from the base, of the changes that stay in it, in landing order."""
        while True:
            kept = [task_id for task_id, _ in self.landings if self._execution.tasks[task_id].landed]
            landed = await self._merge(self._request(kept, self.base, again=True))
            self._replace_head(landed)
            conflicts = [row.conflict for row in landed.rows if row.conflict is not None]
            for conflict in conflicts:
                if self._execution.tasks[conflict.tasks[0]].landed:
                    self.exclude(conflict, Failure.of(failures.MERGE_CONFLICT, conflict.description))
            if not conflicts:
                return

    def _replace_head(self, landed: Landed) -> None:
        """Take the head that was built again in place of the one before."""
        before = self.heads
        self.landings[:] = [(row.task_id, row.head) for row in landed.rows if row.conflict is None]
        self._left_heads |= dict.fromkeys(head for head in before if head not in self.heads)
        self._unread = {row.task_id: row.unread for row in landed.rows}
        self.commit = landed.head

    def _request(self, batch: list[str], onto: str, *, again: bool = False) -> LandRequest:
        verifies = self._execution.plan.verify is not None and not again
        # A batch lands as a whole.
        tries = not self._execution.batches and not again
        return LandRequest(
            hub=self.hub,
            head=onto,
            expected=self._ref,
            changes=[self.change_of(each) for each in batch],
            at=now() // 1000,
            detached=again,
            stop_at_shared_file=verifies,
            verifies=verifies,
            tries_first=tries,
            tries=tries and not self.trials,
            checks=self._execution.plan.checks != "off",
        )

    async def _merge(self, request: LandRequest) -> Landed:
        self._compensations.register(Compensation(step="head", hub=self.hub, to=self.base))
        summary = f"land {', '.join(change.task_id for change in request.changes)}"[:200]
        landed: Landed = await dispatch.awaited(self.start(LAND, request, summary))
        self._ref = landed.head
        return landed

    def _try(self, rows: list[Landing], head: str, request: LandRequest) -> None:
        """Let merges be read that have not landed; where everything will be undone, nothing is read any more."""
        if self._abandoned:
            self._execution.to_land += [row.task_id for row in rows]
        elif rows:
            self.trials.take(rows, head, request.changes, request.at)

    def change_of(self, task_id: str) -> Change:
        state = self._execution.tasks[task_id]
        commit = state.commit or ""
        change = Change(
            task_id=task_id,
            commit=commit,
            detached=task_id in self._execution.reused or state.base in self._left_heads,
            way=self._resolver.merge_strategy(task_id),
            earlier=self._resolver.earlier(task_id),
            follows_renames=self._resolver.follows_renames(task_id),
            keeps_both=self._resolver.must_keep_both(task_id),
            checked_with=self.checks.checked_with(commit),
        )
        return self.trials.marked(change)

    def start(self, name: str, request: StepRequest, summary: str) -> workflow.ActivityHandle[Any]:
        retry = dispatch.retry_policy(self._execution.strategy)
        return dispatch.start(name, request, queue=self.queue, retry=retry, summary=summary)
