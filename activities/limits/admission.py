"""Who may start on this machine now: as many attempts as its memory and disk hold, in the order in which they came.

What an attempt declares is set aside for it while it runs; of memory that it does not declare, what those before it
have used at most on average. CPU is shared and held, never a reason to wait. One always runs.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from activities.limits.bounds import MB, reserve_disk_mb, reserve_mb
from activities.limits.enclosure import Enclosure
from workflows.plan import ResourceLimits

_POLL_SECONDS = 0.25
_UNKNOWN_MB = 128.0
_WEIGHT = 0.2


@dataclass(frozen=True)
class Room:
    """What a machine has left, in MB, or what of it an attempt needs."""

    memory: float
    disk: float


def left_on(folder: Path) -> Room:
    """What this machine can still give to agents that work in a folder."""
    disk = shutil.disk_usage(folder)
    memory = psutil.virtual_memory().available / MB - reserve_mb()
    return Room(memory, disk.free / MB - reserve_disk_mb(disk.total / MB))


@dataclass
class Admitted:
    """An attempt inside; `enclosure`: once it has one, what it uses already is no longer set aside."""

    need: Room
    enclosure: Enclosure | None = None

    @property
    def outstanding(self) -> Room:
        used = self.enclosure
        if used is None:
            return self.need
        return Room(max(0.0, self.need.memory - used.memory_mb), max(0.0, self.need.disk - used.disk_mb))


class Admission:
    """Of one worker."""

    def __init__(self, left: Callable[[], Room]) -> None:
        self._left = left
        self._inside: list[Admitted] = []
        self._line: OrderedDict[object, None] = OrderedDict()
        self._usual = _UNKNOWN_MB

    @asynccontextmanager
    async def admitted(
        self, declared: ResourceLimits, waiting: Callable[[], AbstractContextManager[None]]
    ) -> AsyncIterator[Admitted]:
        """The block runs when there is room; `waiting` is entered while it has to wait."""
        me = object()
        self._line[me] = None
        with ExitStack() as waits:
            waits.callback(self._line.pop, me)
            told = False
            while next(iter(self._line)) is not me or not self._has_room(declared):
                if not told:
                    waits.enter_context(waiting())
                    told = True
                await asyncio.sleep(_POLL_SECONDS)
            admitted = Admitted(self._need(declared))
            self._inside.append(admitted)
        try:
            yield admitted
        finally:
            self._inside.remove(admitted)
            if admitted.enclosure is not None and admitted.enclosure.peak_mb:
                self._usual += _WEIGHT * (admitted.enclosure.peak_mb - self._usual)

    def _need(self, declared: ResourceLimits) -> Room:
        return Room(declared.max_memory_mb or self._usual, declared.max_disk_mb or 0.0)

    def _has_room(self, declared: ResourceLimits) -> bool:
        if not self._inside:
            return True
        left, need = self._left(), self._need(declared)
        outstanding = [each.outstanding for each in self._inside]
        return left.memory - sum(each.memory for each in outstanding) >= need.memory and (
            left.disk - sum(each.disk for each in outstanding) >= need.disk
        )
