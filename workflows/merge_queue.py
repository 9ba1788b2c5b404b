"""The head: base plus what has landed, moved only by landing activities, one batch at a time."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError

from epw.core import failures
from epw.core.decisions.resolver import Resolver
from epw.core.execution.bisect import first_bad
from epw.core.execution.compensation import Compensations
from epw.core.execution.delivery import Compensation
from epw.core.execution.landings import Landings
from epw.core.execution.state import ExecutionState
from epw.core.messages import (
    LAND,
    VERIFY,
    Change,
    ConflictFound,
    Failure,
    Landed,
    Landing,
    LandRequest,
    Prepared,
    StepRequest,
    Verified,
    VerifyRequest,
)
from workflows import dispatch
from workflows.clock import now
from workflows.event_queue import EventQueue

_RUN_CULPRITS_AGAIN = "run-culprits-again"
_BLAME_ON_GREEN_ONLY = "blame-on-green-only"


class MergeQueue:
    """Lands what the execution has ready; `commit` is None without a workspace."""

    def __init__(
        self,
        execution: ExecutionState,
        prepared: Prepared,
        compensations: Compensations,
        events: EventQueue,
        resolver: Resolver,
        landings: Landings,
    ) -> None:
        self.hub, self.base, self.queue = prepared.hub or "", prepared.base or "", prepared.task_queue
        self.commit = prepared.base if prepared.hub is not None else None
        self.deliver = execution.plan.deliver or prepared.deliver or "branch"
        self._execution = execution
        self._compensations = compensations
        self._events = events
        self._resolver = resolver
        self._landings = landings
        self._ref = self.base
        """Commit of the head's ref, as the last landing activity has left it."""
        self._batch: tuple[int, int] = (-1, 0)
        """The level that lands, and how many landings there were before it."""
        self._task: asyncio.Task[None] | None = None
        self._abandoned = False
        self._verifying: workflow.ActivityHandle[Any] | None = None
        self._verdicts: dict[str, bool] = {}
        """Whether a commit was green, of those that were verified."""

    @property
    def is_landing(self) -> bool:
        return self._task is not None

    def land(self) -> None:
        """Land what is ready, unless a landing is under way: it will come back for the rest."""
        if self._task is None and self._execution.to_land:
            batch, self._execution.to_land = self._execution.to_land, []
            level = self._execution.batches.level_of(batch[0])
            if level != self._batch[0]:
                self._batch = level, len(self._landings)
            self._task = asyncio.create_task(self._land(batch))
            self._task.add_done_callback(self._landed_batch)

    def abandon(self) -> None:
        """Everything will be undone: no verify has anything to say any more."""
        self._abandoned = True
        if self._verifying is not None:
            self._verifying.cancel()

    async def verify_or_bisect(self) -> str | None:
        """Verify the head and leave out each landing that turns it red; else say why it stays red.

        Where the plan's steps have it run again first, the execution is not finished any more.
        """
        again: dict[str, Verified] = {}
        while not (verified := await self._verify(self.commit or "", "final")).green:
            if self._execution.undoes_all:
                return verified.message
            heads = [self.base, *self._landings.heads]
            blamed = await first_bad(len(heads), partial(self._is_green, heads))
            if blamed is None:
                return f"{verified.message} (no landing is to blame)"
            culprit = self._landings.order[blamed - 1]
            if self._resolver.can_run_again(culprit) and workflow.patched(_RUN_CULPRITS_AGAIN):
                self._execution.reopen(culprit, now())
                again[culprit] = verified
                await self._land_again()
                continue
            self._leave_out(culprit, verified)
            await self._land_again()
        # On a green head only: else each would be blamed for the others.
        for culprit, verified in again.items():
            self._resolver.conflicted(culprit, self._red([culprit], [], verified))
        return None

    async def _land(self, batch: list[str]) -> None:
        settled: dict[str, None] = {}
        try:
            landed = await self._merge(batch, self.commit or "")
            for row in landed.rows:
                await self._settle(row)
                settled[row.task_id] = None
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
        """With `atomic: batch`: the head goes back to before the batch of which one task conflicts."""
        if self._execution.batches.broken is None:
            return
        self._landings.cut(self._batch[1])
        self.commit = [self.base, *self._landings.heads][-1]
        self._execution.undo_batch(self._execution.batches.broken, now())

    def _landed_batch(self, task: asyncio.Task[None]) -> None:
        self._task = None
        # A bug in the settling must fail the workflow task, which a fixed worker retries; not vanish here.
        self._events.post(task.result)

    async def _settle(self, row: Landing) -> None:
        conflict = row.conflict
        joins = row.shared_with or self._resolver.earlier(row.task_id)
        if joins and row.conflict is None and self._execution.plan.verify and not self._abandoned:
            verified = await self._verify(row.head, f"after {row.task_id}")
            if not verified.green and await self._was_green(row.task_id):
                conflict = self._red([row.task_id, *row.shared_with], row.shared_paths, verified)
        if conflict is not None and row.task_id in self._execution.reused:
            self._execution.run_after_all(row.task_id, now())
        elif conflict is not None:
            self._resolver.conflicted(row.task_id, conflict)
        else:
            self._resolver.landed(row)
            self.commit = row.head
            if self._execution.tasks[row.task_id].commit is not None:
                self._landings.append(row.task_id, row.head)
            self._execution.landed(row.task_id, now())

    async def _was_green(self, task_id: str) -> bool:
        """Whether the head that a change was merged onto is green: else the change is not to blame, and what is gets
        found at the end."""
        onto = self.commit or ""
        if self._abandoned or not workflow.patched(_BLAME_ON_GREEN_ONLY):
            return True
        if onto not in self._verdicts:
            await self._verify(onto, f"before {task_id}")
        return self._verdicts[onto]

    def _leave_out(self, task_id: str, red: Verified) -> None:
        """A landed change turns the head red, or no longer lands: it and its descendants go."""
        conflict = self._resolver.record(self._red([task_id], [], red))
        conflict.take("skip", "strategy")
        conflict.end()
        self._execution.undo_culprit(task_id, Failure.of(failures.VERIFY_FAILED, red.message), now())

    async def _land_again(self) -> None:
        """Build the head again from the base, of what is still to be in it, in the order it landed."""
        while True:
            kept = [task_id for task_id in self._landings.order if self._execution.tasks[task_id].landed]
            landed = await self._merge(kept, self.base, again=True)
            self._landings.replace((row.task_id, row.head) for row in landed.rows if row.conflict is None)
            self.commit = landed.head
            refused = [row for row in landed.rows if row.conflict is not None]
            for row in refused:
                if self._execution.tasks[row.task_id].landed:
                    told = row.conflict.description if row.conflict else ""
                    self._leave_out(row.task_id, Verified(green=False, message=told))
            if not refused:
                return

    async def _merge(self, batch: list[str], onto: str, *, again: bool = False) -> Landed:
        self._compensations.register(Compensation(step="head", hub=self.hub, to=self.base))
        request = LandRequest(
            hub=self.hub,
            head=onto,
            expected=self._ref,
            changes=[self._change(each) for each in batch],
            at=now() // 1000,
            detached=again,
            stop_at_shared_file=self._execution.plan.verify is not None and not again,
        )
        landed: Landed = await dispatch.awaited(self._start(LAND, request, f"land {', '.join(batch)}"[:200]))
        self._ref = landed.head
        return landed

    def _change(self, task_id: str) -> Change:
        commit = self._execution.tasks[task_id].commit or ""
        return Change(
            task_id=task_id,
            commit=commit,
            detached=task_id in self._execution.reused,
            way=self._resolver.way_of(task_id),
            earlier=self._resolver.earlier(task_id),
            keeps_both=self._resolver.must_keep_both(task_id),
        )

    async def _is_green(self, heads: list[str], at: int) -> bool:
        return (await self._verify(heads[at], f"landing {at} of {len(heads) - 1}")).green

    async def _verify(self, commit: str, label: str) -> Verified:
        request = VerifyRequest(hub=self.hub, commit=commit, label=label)
        self._verifying = self._start(VERIFY, request, f"verify {label}"[:200])
        try:
            verified: Verified = await dispatch.awaited(self._verifying)
            self._verdicts[commit] = verified.green
            return verified
        finally:
            self._verifying = None

    def _red(self, tasks: list[str], paths: list[str], red: Verified) -> ConflictFound:
        return ConflictFound(
            kind="verify",
            tasks=tasks,
            paths=paths,
            description=f"verify is red: {red.message}",
            command=self._execution.plan.verify if red.exit_code is not None else None,
            exit_code=red.exit_code,
            output=red.output,
        )

    def _start(self, name: str, request: StepRequest, summary: str) -> workflow.ActivityHandle[Any]:
        retry = dispatch.retry_policy(self._execution.strategy)
        return dispatch.start(name, request, queue=self.queue, retry=retry, summary=summary)
