"""List schedule in which no two tasks that may write the same file run at once, for plans of many tasks.

The same schedule as `predict` with `files`, which tries every task that waits for files again at every release. Here a
task that cannot start is parked with the pattern that is taken. Once that is free only the first of those parked with
it is tried: the pattern then keeps out the others.
"""

from __future__ import annotations

import heapq
from collections import deque

from epw.core.plan.graph import TaskGraph
from epw.core.schedule.scheduler import Slot
from epw.core.schedule.write_sets import WriteSets

_Rank = tuple[float, int]


def predict_apart(graph: TaskGraph, agents: int, writes: WriteSets) -> list[Slot]:
    """The schedule on this number of agents, in the order of starts."""
    ready = _Ready(graph, writes)
    waiting = {task: len(before) for task, before in graph.dependencies.items()}
    for task in graph.ids:
        if not waiting[task]:
            ready.push(task)
    free = deque(range(1, agents + 1))
    running: list[tuple[float, int, str, int]] = []
    slots, now = list[Slot](), 0.0
    while True:
        while free and (started := ready.pop()) is not None:
            slot = Slot(started, free.popleft(), now, now + graph.minutes[started])
            heapq.heappush(running, (slot.end, len(slots), started, slot.agent))
            slots.append(slot)
        if not running:
            return slots
        now = running[0][0]
        while running and running[0][0] <= now:
            _, _, task, agent = heapq.heappop(running)
            free.append(agent)
            ready.release(task)
            for after in graph.dependants[task]:
                waiting[after] -= 1
                if not waiting[after]:
                    ready.push(after)


class _Ready:
    """Ready tasks, the longest remaining path first, and the patterns that running ones hold."""

    def __init__(self, graph: TaskGraph, writes: WriteSets) -> None:
        self._writes = writes
        self._rank: dict[str, _Rank] = {
            task: (-graph.bottom_level[task], index) for index, task in enumerate(graph.ids)
        }
        self._held: set[str] = set()
        self._parked: dict[str, list[tuple[_Rank, str]]] = {}
        self._ready: list[tuple[_Rank, str, str]] = []
        """(rank, task, the pattern with which it is parked); an entry of a parked task may be out of date."""

    def push(self, task: str) -> None:
        heapq.heappush(self._ready, (self._rank[task], task, ""))

    def pop(self) -> str | None:
        """The first task whose patterns are free, which it holds from now on; None where there is none."""
        while self._ready:
            rank, task, place = heapq.heappop(self._ready)
            if place and not self._unpark(task, place):
                continue
            patterns = self._writes.of(task)
            taken = next((pattern for pattern in patterns if self._is_taken(pattern)), None)
            if taken is None:
                self._held.update(patterns)
            else:
                heapq.heappush(self._parked.setdefault(taken, []), (rank, task))
            if place:
                self._offer(place)
            if taken is None:
                return task
        return None

    def release(self, task: str) -> None:
        patterns = self._writes.of(task)
        self._held.difference_update(patterns)
        for pattern in patterns:
            for place in list(self._parked.keys() & self._writes.rivals[pattern]):
                self._offer(place)

    def _unpark(self, task: str, place: str) -> bool:
        """Take a task from where it is parked; false where another is first there or the pattern is taken."""
        parked = self._parked.get(place)
        if not parked or parked[0][1] != task or self._is_taken(place):
            return False
        heapq.heappop(parked)
        if not parked:
            del self._parked[place]
        return True

    def _offer(self, place: str) -> None:
        """Make the first of those parked with a pattern ready, if the pattern is free."""
        parked = self._parked.get(place)
        if parked and not self._is_taken(place):
            heapq.heappush(self._ready, (*parked[0], place))

    def _is_taken(self, pattern: str) -> bool:
        return not self._held.isdisjoint(self._writes.rivals[pattern])
