"""Admission of attempts: as many run at once as this machine's memory and disk hold, first come, first served.

What an attempt declares is reserved while it runs. Memory that it does not declare is estimated by the peak of recent
attempts, or 512 MB before any has ended, and that reserve shrinks with time. CPU is limited, never a reason to wait.
One attempt always runs.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from activities.processes.bounds import MB, reserve_disk_mb, reserve_mb
from activities.processes.resource_guard import ResourceGuard
from epw.core.plan.parts import ResourceLimits

_POLL_SECONDS = 0.25
_DEFAULT_MB = 512.0
_MAX_PEAKS = 20
_PEAK_MARGIN = 1.25
_HALF_LIFE_SECONDS = 15.0


@dataclass(frozen=True)
class Capacity:
    """Memory and disk in MB: what a machine has left, or what an attempt needs of it."""

    memory: float
    disk: float


def capacity_left(folder: Path) -> Capacity:
    """Memory and disk that agents working in `folder` may still take, less this machine's reserve."""
    disk, memory = shutil.disk_usage(folder), psutil.virtual_memory()
    memory_mb = memory.available / MB - reserve_mb(memory.total / MB)
    return Capacity(memory_mb, disk.free / MB - reserve_disk_mb(disk.total / MB))


@dataclass
class Admitted:
    """Reservation of an admitted attempt; what its `guard` has seen it use is no longer reserved."""

    need: Capacity
    is_declared: bool
    since: float
    guard: ResourceGuard | None = None

    def outstanding(self, now: float) -> Capacity:
        """Memory and disk reserved and not yet in use; an estimate halves every 15 s."""
        weight = 1.0 if self.is_declared else 0.5 ** ((now - self.since) / _HALF_LIFE_SECONDS)
        memory_mb, disk_mb = (self.guard.memory_mb, self.guard.disk_mb) if self.guard else (0.0, 0.0)
        return Capacity(max(0.0, self.need.memory * weight - memory_mb), max(0.0, self.need.disk - disk_mb))


class Admission:
    """FIFO admission queue of one worker process."""

    def __init__(self, capacity_left: Callable[[], Capacity], clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity_left = capacity_left
        self._clock = clock
        self._admitted: list[Admitted] = []
        self._queue: OrderedDict[object, None] = OrderedDict()
        self._peaks: deque[float] = deque(maxlen=_MAX_PEAKS)
        """Peak memory of the attempts that ended last, MB."""

    @asynccontextmanager
    async def admitted(
        self, declared: ResourceLimits, max_mb: float, waiting: Callable[[], AbstractContextManager[None]]
    ) -> AsyncIterator[Admitted]:
        """Run the block once there is room for it; `waiting` is entered while it has to wait.

        `max_mb`: the attempt's memory limit, above which nothing is reserved.
        """
        ticket = object()
        self._queue[ticket] = None
        with ExitStack() as waits:
            waits.callback(self._queue.pop, ticket)
            is_waiting = False
            while next(iter(self._queue)) is not ticket or not self._has_room(self._need(declared, max_mb)):
                if not is_waiting:
                    waits.enter_context(waiting())
                    is_waiting = True
                await asyncio.sleep(_POLL_SECONDS)
            need = self._need(declared, max_mb)
            admitted = Admitted(need, declared.max_memory_mb is not None, self._clock())
            self._admitted.append(admitted)
        try:
            yield admitted
        finally:
            self._admitted.remove(admitted)
            if admitted.guard is not None and admitted.guard.peak_mb:
                self._peaks.append(admitted.guard.peak_mb)

    def _need(self, declared: ResourceLimits, max_mb: float) -> Capacity:
        estimate = min(max_mb, _PEAK_MARGIN * max(self._peaks) if self._peaks else _DEFAULT_MB)
        return Capacity(declared.max_memory_mb or estimate, declared.max_disk_mb or 0.0)

    def _has_room(self, need: Capacity) -> bool:
        if not self._admitted:
            return True
        left, now = self._capacity_left(), self._clock()
        outstanding = [each.outstanding(now) for each in self._admitted]
        return left.memory - sum(each.memory for each in outstanding) >= need.memory and (
            left.disk - sum(each.disk for each in outstanding) >= need.disk
        )
