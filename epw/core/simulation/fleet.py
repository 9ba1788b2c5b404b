"""Hosts of a simulation: which of them runs an attempt, and when it has a slot for it."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from epw.core.simulation.agenda import Agenda, Lane
from epw.core.simulation.machine import Machine

_THREADS = 32
"""In which a worker does what it does on files."""


@dataclass(frozen=True)
class Host:
    """A machine with a worker."""

    cores: int = 2
    slots: int | None = None
    """How many attempts run on it at once; None: as many as there are."""
    labels: tuple[str, ...] = ()


class Place:
    """A host at work: its machine, the loop of its worker, and the attempts that it runs."""

    def __init__(self, agenda: Agenda, host: Host, number: int) -> None:
        self.host, self.number = host, number
        self.machine = Machine(agenda, host.cores)
        self.loop = Lane(self.machine.thread)
        self.running = self.directories = self.in_use = self.at_files = 0
        """Attempts; directories that were made, and those of them that an attempt has now; what goes on in them."""

    @property
    def has_room(self) -> bool:
        return self.host.slots is None or self.running < self.host.slots

    @property
    def crowd(self) -> int:
        """How much more there is to do on files at once than there are cores."""
        return max(0, min(self.at_files, _THREADS) - self.host.cores)

    def has(self, labels: Sequence[str]) -> bool:
        return {*labels} <= {*self.host.labels}


Taken = Callable[[Place], None]
"""What goes on at a place."""


class Fleet:
    """Places that take attempts from queues, one for each set of labels: the longest waiting first.

    An attempt goes to the place that runs the fewest, so that hosts fill up alike.
    """

    def __init__(self, places: Sequence[Place]) -> None:
        self._places = places
        self._queues: dict[tuple[str, ...], deque[tuple[int, Taken]]] = {}
        self._emptiest: dict[tuple[str, ...], list[tuple[int, int]]] = {}
        """By set of labels: (attempts, number) of the places that have them; entries may be out of date."""
        self._number = 0

    def take(self, needs: Sequence[str], then: Taken) -> None:
        """Go on at a place that has these labels, once it has a slot."""
        labels = tuple(sorted(needs))
        place = self._place_for(labels)
        if place is not None:
            self._begin(place, then)
            return
        self._number += 1
        self._queues.setdefault(labels, deque()).append((self._number, then))

    def leave(self, place: Place) -> None:
        """Give a slot back: the attempt there has ended."""
        self._count(place, -1)
        fitting = [queue for labels, queue in self._queues.items() if queue and place.has(labels)]
        if fitting and place.has_room:
            _, then = min(fitting, key=lambda queue: queue[0][0]).popleft()
            self._begin(place, then)

    def _place_for(self, labels: tuple[str, ...]) -> Place | None:
        if labels not in self._emptiest:
            self._emptiest[labels] = sorted((each.running, each.number) for each in self._places if each.has(labels))
        entries = self._emptiest[labels]
        while entries:
            place = self._places[entries[0][1]]
            if place.running == entries[0][0] and place.has_room:
                return place
            heapq.heappop(entries)
        return None

    def _begin(self, place: Place, then: Taken) -> None:
        self._count(place, 1)
        then(place)

    def _count(self, place: Place, change: int) -> None:
        place.running += change
        for labels, entries in self._emptiest.items():
            if place.has(labels):
                heapq.heappush(entries, (place.running, place.number))
