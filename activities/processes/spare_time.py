"""Spare time of a machine: cores that nobody uses, for work that nobody waits for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psutil

T = TypeVar("T")

_MIN_IDLE_CORES = 1.0
_MIN_SAMPLE_SECONDS = 1.0
_SHARE = 0.1
"""Share of the time in which such work runs at most: a machine with nothing to do may run on a battery."""


class IdleCores:
    """Measures how many cores had nothing to do since the measurement before; 0 until there are two."""

    def __init__(self) -> None:
        self._at, self._idle = time.monotonic(), self._read()
        self._found = 0.0

    def __call__(self) -> float:
        now = time.monotonic()
        if now - self._at >= _MIN_SAMPLE_SECONDS:
            idle = self._read()
            self._found = (idle - self._idle) / (now - self._at)
            self._at, self._idle = now, idle
        return self._found

    @staticmethod
    def _read() -> float:
        """Seconds for which cores had nothing to do, since the machine began."""
        times = psutil.cpu_times()
        return float(times.idle) + float(getattr(times, "iowait", 0.0))


class SpareTime:
    """Runs one piece of work at a time, in a tenth of the time, while a core is idle and nobody waits for such work."""

    def __init__(
        self, idle_cores: Callable[[], float] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._idle_cores = idle_cores or IdleCores()
        self._clock = clock
        self._rests_until = clock()
        self._running: asyncio.Future[Any] | None = None
        self._awaited = 0

    async def use(self, work: Callable[[], Awaitable[T]]) -> T | None:
        """The result of the work; None where there is no spare time for it, or not enough."""
        began = self._clock()
        is_free = self._running is None and not self._awaited and began >= self._rests_until
        if not is_free or self._idle_cores() < _MIN_IDLE_CORES:
            return None
        running: asyncio.Future[T] = asyncio.ensure_future(work())
        self._running = running
        try:
            return await running
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise
            return None
        finally:
            self._running = None
            now = self._clock()
            self._rests_until = now + (now - began) * (1 / _SHARE - 1)

    @contextmanager
    def kept_for_others(self) -> Iterator[None]:
        """End the work under way, and begin none while the block runs: somebody waits for what it does."""
        self._awaited += 1
        if self._running is not None:
            self._running.cancel()
        try:
            yield
        finally:
            self._awaited -= 1
