"""Agenda of a simulation, its clock; and what keeps work in line on it, or at a pace that changes."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator

Then = Callable[[], None]
NEVER = float("inf")
_ALMOST = 1e-9


class Agenda:
    """What is to happen, by time; what is due at one moment happens in the order in which it was entered. Seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self._entries: list[tuple[float, int, Then]] = []
        self._number = 0

    def after(self, seconds: float, then: Then) -> None:
        """Enter what happens in so many seconds."""
        self._number += 1
        heapq.heappush(self._entries, (self.now + seconds, self._number, then))

    def step(self) -> bool:
        """Let the next thing happen; false where there is none."""
        if not self._entries:
            return False
        self.now, _, then = heapq.heappop(self._entries)
        then()
        return True


class Alarm:
    """Rings at the time that it is set to, or earlier: whoever is called looks what is due, and sets it again."""

    def __init__(self, agenda: Agenda, ring: Then) -> None:
        self._agenda, self._ring = agenda, ring
        self._at = NEVER

    def set(self, seconds: float) -> None:
        """Ring in so many seconds at the latest."""
        if self._agenda.now + seconds < self._at:
            self._at = self._agenda.now + seconds
            self._agenda.after(seconds, self._rung)

    def _rung(self) -> None:
        # Entries cannot be taken back: what it had been set to before an earlier time comes too.
        if self._agenda.now >= self._at:
            self._at = NEVER
            self._ring()


class PacedWork:
    """Pieces of work that go on at one pace, whatever that is: the clock is the work that each has done so far."""

    def __init__(self) -> None:
        self.clock = 0.0
        self._pieces: list[tuple[float, int, Then]] = []
        self._number = 0

    def __len__(self) -> int:
        return len(self._pieces)

    def add(self, seconds: float, then: Then) -> None:
        """Begin a piece that takes so many seconds at pace 1."""
        self._number += 1
        heapq.heappush(self._pieces, (self.clock + seconds, self._number, then))

    @property
    def left(self) -> float:
        """Seconds of work until the next piece ends."""
        return self._pieces[0][0] - self.clock if self._pieces else NEVER

    def ended(self) -> Iterator[Then]:
        """What follows the pieces that have ended; each is gone before its turn."""
        while self._pieces and self._pieces[0][0] <= self.clock + _ALMOST:
            yield heapq.heappop(self._pieces)[2]


class Lane:
    """A program that does one thing at a time, first come, first served; `run` does it."""

    def __init__(self, run: Callable[[float, Then], None]) -> None:
        self._run = run
        self._waiting: deque[tuple[float, Then]] = deque()
        self._is_busy = False

    def do(self, seconds: float, then: Then) -> None:
        """Do what takes so many seconds alone, and `then` the rest."""
        if self._is_busy:
            self._waiting.append((seconds, then))
        else:
            self._begin(seconds, then)

    def _begin(self, seconds: float, then: Then) -> None:
        self._is_busy = True

        def end() -> None:
            self._is_busy = False
            if self._waiting:
                self._begin(*self._waiting.popleft())
            then()

        self._run(seconds, end)
