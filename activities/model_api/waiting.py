"""Stopwatch of the time that an attempt waits: for the account, the budget, or memory."""

from __future__ import annotations

import time


class WaitClock:
    """Counts waiting time; overlapping waits count once."""

    def __init__(self) -> None:
        self._before = 0.0
        self._since = 0.0
        self._waits = 0

    @property
    def seconds(self) -> float:
        return self._before + (time.monotonic() - self._since if self._waits else 0.0)

    def begin(self) -> None:
        if not self._waits:
            self._since = time.monotonic()
        self._waits += 1

    def end(self) -> None:
        self._waits -= 1
        if not self._waits:
            self._before += time.monotonic() - self._since
