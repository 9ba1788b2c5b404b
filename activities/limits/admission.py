"""Who may start on this machine now: as many attempts as its memory holds, in the order in which they came.

What an attempt declares is set aside for it while it runs; of one that declares nothing, what those before it have
used at most on average. CPU is shared and held, never a reason to wait. One always runs.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psutil

from activities.limits.bounds import MB, reserve_mb
from activities.limits.enclosure import Enclosure

_POLL_SECONDS = 0.25
_UNKNOWN_MB = 128.0
_WEIGHT = 0.2


def available_mb() -> float:
    """What this machine has left."""
    return float(psutil.virtual_memory().available / MB)


@dataclass
class _Admitted:
    mb: float
    enclosure: Enclosure | None = None

    @property
    def outstanding(self) -> float:
        """What is set aside and not in use yet."""
        return max(0.0, self.mb - (self.enclosure.memory_mb if self.enclosure is not None else 0.0))


class Admission:
    """Of one worker; `available`: MB of the machine."""

    def __init__(self, available: Callable[[], float] = available_mb) -> None:
        self._available = available
        self._inside: list[_Admitted] = []
        self._line: OrderedDict[object, None] = OrderedDict()
        self._usual = _UNKNOWN_MB

    @asynccontextmanager
    async def admitted(self, declared_mb: float | None, waiting: Callable[[], None]) -> AsyncIterator[_Admitted]:
        """The block runs when there is room; `waiting` is told once if it has to wait."""
        me = object()
        self._line[me] = None
        told = False
        try:
            while next(iter(self._line)) is not me or not self._has_room(declared_mb):
                if not told:
                    waiting()
                    told = True
                await asyncio.sleep(_POLL_SECONDS)
            admitted = _Admitted(self._need(declared_mb))
            self._inside.append(admitted)
        finally:
            del self._line[me]
        try:
            yield admitted
        finally:
            self._inside.remove(admitted)
            if admitted.enclosure is not None and admitted.enclosure.peak_mb:
                self._usual += _WEIGHT * (admitted.enclosure.peak_mb - self._usual)

    def _need(self, declared_mb: float | None) -> float:
        return self._usual if declared_mb is None else declared_mb

    def _has_room(self, declared_mb: float | None) -> bool:
        left = self._available() - reserve_mb() - sum(each.outstanding for each in self._inside)
        return not self._inside or left >= self._need(declared_mb)
