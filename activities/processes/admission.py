"""Who may start on this machine now: as many attempts as its memory and disk hold, in the order in which they came.

What an attempt declares is set aside for it while it runs. Of memory that it does not declare, for a while, what those
before it have used at most; before anybody has ended, half a GB. CPU is shared and held, never a reason to wait. One
always runs.
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
from epw.core.plan.model import ResourceLimits

_POLL_SECONDS = 0.25
_UNKNOWN_MB = 512.0
_REMEMBERED = 20
_MARGIN = 1.25
_HALVES_SECONDS = 15.0


@dataclass(frozen=True)
class Capacity:
    """What a machine has left, in MB, or what of it an attempt needs."""

    memory: float
    disk: float


def left_on(folder: Path) -> Capacity:
    """What this machine can still give to agents that work in a folder."""
    disk = shutil.disk_usage(folder)
    memory = psutil.virtual_memory().available / MB - reserve_mb()
    return Capacity(memory, disk.free / MB - reserve_disk_mb(disk.total / MB))


@dataclass
class Admitted:
    """An attempt inside; `guard`: once it has one, what it uses already is no longer set aside."""

    need: Capacity
    declared: bool
    since: float
    guard: ResourceGuard | None = None

    def outstanding(self, now: float) -> Capacity:
        """What is set aside for it and not in use; what was only guessed becomes less with time."""
        guessed = 1.0 if self.declared else 0.5 ** ((now - self.since) / _HALVES_SECONDS)
        memory_mb, disk_mb = (self.guard.memory_mb, self.guard.disk_mb) if self.guard else (0.0, 0.0)
        return Capacity(max(0.0, self.need.memory * guessed - memory_mb), max(0.0, self.need.disk - disk_mb))


class Admission:
    """Of one worker."""

    def __init__(self, left: Callable[[], Capacity], clock: Callable[[], float] = time.monotonic) -> None:
        self._left = left
        self._clock = clock
        self._inside: list[Admitted] = []
        self._line: OrderedDict[object, None] = OrderedDict()
        self._peaks: deque[float] = deque(maxlen=_REMEMBERED)
        """What attempts that have ended used at most, in MB."""

    @asynccontextmanager
    async def admitted(
        self, declared: ResourceLimits, most_mb: float, waiting: Callable[[], AbstractContextManager[None]]
    ) -> AsyncIterator[Admitted]:
        """The block runs when there is room; `waiting` is entered while it has to wait.

        `most_mb`: the memory that it may use in any case.
        """
        me = object()
        self._line[me] = None
        with ExitStack() as waits:
            waits.callback(self._line.pop, me)
            told = False
            while next(iter(self._line)) is not me or not self._has_room(self._need(declared, most_mb)):
                if not told:
                    waits.enter_context(waiting())
                    told = True
                await asyncio.sleep(_POLL_SECONDS)
            need = self._need(declared, most_mb)
            admitted = Admitted(need, declared.max_memory_mb is not None, self._clock())
            self._inside.append(admitted)
        try:
            yield admitted
        finally:
            self._inside.remove(admitted)
            if admitted.guard is not None and admitted.guard.peak_mb:
                self._peaks.append(admitted.guard.peak_mb)

    def _need(self, declared: ResourceLimits, most_mb: float) -> Capacity:
        guessed = min(most_mb, _MARGIN * max(self._peaks) if self._peaks else _UNKNOWN_MB)
        return Capacity(declared.max_memory_mb or guessed, declared.max_disk_mb or 0.0)

    def _has_room(self, need: Capacity) -> bool:
        if not self._inside:
            return True
        left, now = self._left(), self._clock()
        outstanding = [each.outstanding(now) for each in self._inside]
        return left.memory - sum(each.memory for each in outstanding) >= need.memory and (
            left.disk - sum(each.disk for each in outstanding) >= need.disk
        )
