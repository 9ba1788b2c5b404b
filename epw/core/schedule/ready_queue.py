"""Queue of ready tasks: the first by rank whose files no other holds.

A task that cannot start is parked with its pattern that is taken. Once that is free only the first of those parked with
it is tried: the pattern then keeps out the others. So 10,000 tasks on one file cost no more than 10,000 on as many.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from typing import Any

from epw.core.schedule.leases import Leases
from epw.core.schedule.pattern_index import PatternIndex

Rank = tuple[Any, ...]


class ReadyQueue:
    """Ready tasks by rank, the lowest first; no two tasks have the same rank. `files`: patterns by task."""

    def __init__(self, files: Mapping[str, Sequence[str]] | None = None) -> None:
        self._leases = Leases(files or {})
        self._dropped: dict[str, None] = {}
        self._ready: list[tuple[Rank, str, str]] = []
        """(rank, task, the pattern with which it is parked); an entry of a parked task may be out of date."""
        self._parked: dict[str, list[tuple[Rank, str]]] = {}
        self._places = PatternIndex[str]()
        """The patterns with which tasks are parked."""
        self._held: dict[str, None] = {}
        self._newly_held: dict[str, None] = {}

    @property
    def held(self) -> list[str]:
        """Tasks that wait for files of others."""
        return list(self._held)

    def newly_held(self) -> list[str]:
        """Those of them that have begun to wait since the last call."""
        found = [task for task in self._newly_held if task in self._held]
        self._newly_held.clear()
        return found

    def declare(self, task: str, patterns: Sequence[str]) -> None:
        """Note the files of a task that is new."""
        self._leases.declare(task, patterns)

    def push(self, task: str, rank: Rank, more_files: Sequence[str] = ()) -> None:
        """Queue a task that is not in the queue; its files from now on are also `more_files`."""
        self._leases.add(task, more_files)
        heapq.heappush(self._ready, (rank, task, ""))

    def pop(self) -> str | None:
        """The first task whose files are free, which it holds from now on; None where there is none."""
        while self._ready:
            rank, task, place = heapq.heappop(self._ready)
            if place and not self._unpark(task, place):
                continue
            taken = None if task in self._dropped else self._leases.taken(task)
            if taken is not None:
                self._park(task, rank, taken)
            elif task not in self._dropped:
                self._leases.grant(task)
            if place:
                self._offer(place)
            if taken is None and task not in self._dropped:
                return task
        return None

    def release(self, task: str) -> None:
        """Give back the task's files, if it holds any."""
        if self._leases.release(task):
            for mine in self._leases.of(task):
                for place, _ in list(self._places.overlapping(mine)):
                    self._offer(place)

    def remove(self, task: str) -> bool:
        """Take a task out of the queue; whether it was in it."""
        is_parked = task in self._held
        # What was offered before is out of date, and says nothing.
        was_queued = is_parked or any(task == other and not place for _, other, place in self._ready)
        self._ready = [entry for entry in self._ready if entry[1] != task]
        heapq.heapify(self._ready)
        if is_parked:
            del self._held[task]
            place = next(each for each, parked in self._parked.items() if any(task == other for _, other in parked))
            self._parked[place] = [entry for entry in self._parked[place] if entry[1] != task]
            heapq.heapify(self._parked[place])
            if self._parked[place]:
                self._offer(place)
            else:
                del self._parked[place]
                self._places.remove(place, place)
        return was_queued

    def revive(self, task: str) -> None:
        """Let a task be queued anew, dropped or not: it is not in the queue, and holds no files."""
        self.remove(task)
        self._dropped.pop(task, None)
        self.release(task)

    def drop(self, task: str) -> None:
        """Never return the task (again), unless it is revived."""
        self._dropped[task] = None
        self._held.pop(task, None)

    def _park(self, task: str, rank: Rank, place: str) -> None:
        if place not in self._parked:
            self._parked[place] = []
            self._places.add(place, place)
        heapq.heappush(self._parked[place], (rank, task))
        self._held[task] = self._newly_held[task] = None

    def _unpark(self, task: str, place: str) -> bool:
        """Take a task from where it is parked; false where another is first there or the pattern is taken."""
        parked = self._parked.get(place)
        if not parked or parked[0][1] != task or self._leases.is_taken(place):
            return False
        heapq.heappop(parked)
        self._held.pop(task, None)
        if not parked:
            del self._parked[place]
            self._places.remove(place, place)
        return True

    def _offer(self, place: str) -> None:
        """Make the first of those parked with a pattern ready, if the pattern is free."""
        parked = self._parked.get(place)
        if parked and not self._leases.is_taken(place):
            heapq.heappush(self._ready, (*parked[0], place))
