"""Supplier of slots that the workers of one process share: none asks for attempts while all slots are taken."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter

from temporalio.worker import (
    ActivitySlotInfo,
    CustomSlotSupplier,
    FixedSizeSlotSupplier,
    SlotMarkUsedContext,
    SlotPermit,
    SlotReleaseContext,
    SlotReserveContext,
    WorkerTuner,
)

from epw.core.messages import RUN_TASK

_MAX_WORKFLOW_TASKS = 100
_MAX_LOCAL_ACTIVITIES = 100


class _Permit(SlotPermit):
    def __init__(self, queue: str) -> None:
        self.queue = queue
        self.runs_attempt = False


class AttemptSlots(CustomSlotSupplier):
    """A queue is asked for as many attempts as there are free slots.

    What several queues are asked for at once can be more than that: a long poll cannot be taken back. Only attempts
    take a slot.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._lock = threading.Lock()
        self._running = 0
        self._asked: Counter[str] = Counter()
        """Permits that are not in use yet, by queue."""
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit:
        """Wait until an attempt more may be asked for."""
        loop, freed = asyncio.get_running_loop(), asyncio.Event()
        while True:
            with self._lock:
                if (permit := self._reserve(ctx.task_queue)) is not None:
                    return permit
                self._waiting.append((loop, freed))
            await freed.wait()
            freed.clear()

    def try_reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit | None:
        """A permit, if there is a free slot."""
        with self._lock:
            return self._reserve(ctx.task_queue)

    def mark_slot_used(self, ctx: SlotMarkUsedContext) -> None:
        """Count an attempt that has begun."""
        permit, info = ctx.permit, ctx.slot_info
        assert isinstance(permit, _Permit)
        with self._lock:
            self._asked[permit.queue] -= 1
            permit.runs_attempt = isinstance(info, ActivitySlotInfo) and info.activity_type == RUN_TASK
            self._running += permit.runs_attempt

    def release_slot(self, ctx: SlotReleaseContext) -> None:
        """Count an attempt that has ended, or a permit that was not needed."""
        permit = ctx.permit
        assert isinstance(permit, _Permit)
        with self._lock:
            if ctx.slot_info is None:
                self._asked[permit.queue] -= 1
            self._running -= permit.runs_attempt
            waiting, self._waiting = self._waiting, []
        for loop, freed in waiting:
            with contextlib.suppress(RuntimeError):  # its loop has ended with its worker
                loop.call_soon_threadsafe(freed.set)

    def _reserve(self, queue: str) -> _Permit | None:
        if self._running + self._asked[queue] >= self._number:
            return None
        self._asked[queue] += 1
        return _Permit(queue)


def tuner(slots: AttemptSlots) -> WorkerTuner:
    """Tuner of a worker whose attempts take these slots."""
    return WorkerTuner.create_composite(
        workflow_supplier=FixedSizeSlotSupplier(_MAX_WORKFLOW_TASKS),
        activity_supplier=slots,
        local_activity_supplier=FixedSizeSlotSupplier(_MAX_LOCAL_ACTIVITIES),
        nexus_supplier=FixedSizeSlotSupplier(1),
    )
