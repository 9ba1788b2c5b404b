"""Events that the workflow has not handled yet, in order."""

from __future__ import annotations

from collections.abc import Callable


class EventQueue:
    """FIFO queue of event handlers; not empty: the workflow's main loop has something to do."""

    def __init__(self) -> None:
        self._waiting: list[Callable[[], None]] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def post(self, settle: Callable[[], None]) -> None:
        """Add an event; `settle` is called when it is handled."""
        self._waiting.append(settle)

    def notify(self) -> None:
        """Wake the main loop, after a change of the state."""
        self._waiting.append(lambda: None)

    def drain(self) -> None:
        """Handle all events, also those that are added meanwhile."""
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            for settle in waiting:
                settle()
