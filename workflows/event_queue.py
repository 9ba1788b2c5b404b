"""What has happened since the workflow last looked, in order."""

from __future__ import annotations

from collections.abc import Callable


class EventQueue:
    def __init__(self) -> None:
        self._waiting: list[Callable[[], None]] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def post(self, settle: Callable[[], None]) -> None:
        """Something happened; `settle` takes it into account."""
        self._waiting.append(settle)

    def notify(self) -> None:
        """Something changed already: look at the execution again."""
        self._waiting.append(lambda: None)

    def drain(self) -> None:
        """Settle all, also what comes up meanwhile."""
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            for settle in waiting:
                settle()
