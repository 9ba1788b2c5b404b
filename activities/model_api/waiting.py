"""Time that an attempt waits: for the limits of an account, for a budget, for memory."""

from __future__ import annotations

import time


class WaitClock:
    """How long an attempt has waited, for the limits of an account and a budget or for room: no work of its agent's."""

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
