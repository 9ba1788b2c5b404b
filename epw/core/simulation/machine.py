"""Machine of a simulation: cores that processes share, one of which the threads of a Python program share."""

from __future__ import annotations

from epw.core.simulation.agenda import Agenda, Alarm, PacedWork, Then

_LEAST = 0.5
"""Share of the cores that heartbeats leave: those for which there is no time are left out."""


class Machine:
    """Work of processes, each on a core as long as there are enough, and of the worker's threads, all on one (its GIL).

    What shares cores has equal parts of them.
    """

    def __init__(self, agenda: Agenda, cores: int) -> None:
        self._agenda, self._cores = agenda, max(1, cores)
        self._processes, self._threads = PacedWork(), PacedWork()
        self._alarm = Alarm(agenda, self._due)
        self._now = 0.0
        self._paces = 1.0, 1.0
        self._load_of_processes = self._load_of_threads = 0.0
        self._ends = False
        """Whether pieces end now: what begins meanwhile is planned with them."""

    def process(self, seconds: float, then: Then) -> None:
        """Run a process that takes so many seconds of a core."""
        self._begin(self._processes, seconds, then)

    def thread(self, seconds: float, then: Then) -> None:
        """Do what takes so many seconds in a thread of the worker, alone."""
        self._begin(self._threads, seconds, then)

    def load(self, processes: float, threads: float) -> None:
        """Take so much of a core away, or give it back, for what goes on all the time."""
        self._pass()
        self._load_of_processes += processes
        self._load_of_threads += threads
        if not self._ends:
            self._plan()

    def _begin(self, group: PacedWork, seconds: float, then: Then) -> None:
        if seconds <= 0:
            self._agenda.after(0.0, then)
            return
        self._pass()
        group.add(seconds, then)
        if not self._ends:
            self._plan()

    def _pass(self) -> None:
        """Let the time pass for all that goes on."""
        passed, self._now = self._agenda.now - self._now, self._agenda.now
        self._processes.clock += passed * self._paces[0]
        self._threads.clock += passed * self._paces[1]

    def _plan(self) -> None:
        """Reckon the paces, and when the next piece ends."""
        processes, threads = len(self._processes), len(self._threads)
        one = max(_LEAST, 1.0 - self._load_of_threads)
        wanted = processes + (one if threads else 0.0)
        there = max(_LEAST * self._cores, self._cores - self._load_of_processes - self._load_of_threads)
        pace = min(1.0, there / wanted) if wanted else 1.0
        self._paces = pace, pace * one / max(1, threads)
        self._alarm.set(min(self._processes.left / pace, self._threads.left / self._paces[1]))

    def _due(self) -> None:
        self._pass()
        self._ends = True
        for then in [*self._processes.ended(), *self._threads.ended()]:
            then()
        self._ends = False
        self._plan()
