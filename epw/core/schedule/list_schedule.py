"""The list schedule: who starts next, on which agent; and the same rule run ahead to predict.

Graham's list scheduling by bottom level (longest remaining path first), O(log n) a start.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from epw.core.plan.graph import TaskGraph
from epw.core.schedule.leases import Leases


@dataclass(frozen=True)
class Slot:
    """A task's place in a predicted schedule; times in the unit of the durations given."""

    task_id: str
    agent: int
    start: float
    end: float


class Scheduler:
    """Ready tasks by priority, then bottom level, then plan order; free agents in turn.

    The caller tells what happened (`landed`, `released`, `requeue`, `abandon`) and asks `next_start`. With
    `levels` there is a barrier: no task starts before every task of a lower level is closed (`close`).
    """

    def __init__(
        self,
        graph: TaskGraph,
        agents: int,
        priorities: Mapping[str, int] | None = None,
        files: Mapping[str, Sequence[str]] | None = None,
        levels: Mapping[str, int] | None = None,
    ) -> None:
        self._graph = graph
        self._order = {task: index for index, task in enumerate(graph.ids)}
        self._priorities = priorities or {}
        self._leases = Leases(files or {})
        self._blocking = {task: len(graph.dependencies[task]) for task in graph.ids}
        self._abandoned: dict[str, None] = {}
        self._levels = levels or {}
        self._level = 0
        self._open = Counter(self._levels.values())
        self._closed: dict[str, None] = {}
        self._beyond: dict[int, list[str]] = {}
        self._heap: list[tuple[Any, ...]] = []
        self._held: dict[str, None] = {}
        self._max_agents = agents
        self._free = deque(range(1, agents + 1))
        self._busy: dict[str, int] = {}
        for task in graph.ids:
            if not self._blocking[task]:
                self._push(task)

    @property
    def running(self) -> int:
        return len(self._busy)

    @property
    def held(self) -> list[str]:
        """Ready tasks that wait for files."""
        return list(self._held)

    def agent_of(self, task: str) -> int | None:
        return self._busy.get(task)

    def next_start(self) -> tuple[str, int] | None:
        """The next task to start now and its agent's number; None when none can."""
        while self._heap and self._free and len(self._busy) < self._max_agents:
            task = heapq.heappop(self._heap)[-1]
            if task in self._abandoned:
                continue
            if not self._leases.grant(task):
                self._held[task] = None
                continue
            self._busy[task] = self._free.popleft()
            return task, self._busy[task]
        return None

    def release_agent(self, task: str) -> None:
        """The task's attempt has ended: its agent is free."""
        agent = self._busy.pop(task)
        if agent <= self._max_agents:
            self._free.append(agent)

    def release_files(self, task: str) -> None:
        """Nothing of the task will be written or landed any more: others may have its files."""
        if self._leases.release(task):
            for waiting in self._held:
                self._push(waiting)
            self._held.clear()

    def requeue(self, task: str, files: Sequence[str] = ()) -> None:
        """The task needs another attempt; with these `files` to itself until nothing of it is to land."""
        self._leases.add(task, files)
        self._push(task)

    def landed(self, task: str) -> list[str]:
        """The task is done; the dependants that became ready by it."""
        ready = []
        for after in self._graph.dependants[task]:
            self._blocking[after] -= 1
            if not self._blocking[after] and after not in self._abandoned:
                self._push(after)
                ready.append(after)
        return ready

    def abandon(self, task: str) -> None:
        """The task will never start (again)."""
        self._abandoned[task] = None
        self._held.pop(task, None)

    def close(self, task: str) -> None:
        """The task has its end: the last one of a level opens the next level."""
        if task in self._closed or task not in self._levels:
            return
        self._closed[task] = None
        self._open[self._levels[task]] -= 1
        while not self._open[self._level] and self._level < max(self._levels.values()):
            self._level += 1
            for waiting in self._beyond.pop(self._level, []):
                self._push(waiting)

    def set_max_agents(self, agents: int) -> None:
        """More agents take work at once; surplus ones leave when their task ends."""
        present = [*self._free, *self._busy.values()]
        self._max_agents = agents
        self._free = deque(agent for agent in self._free if agent <= agents)
        self._free.extend(agent for agent in range(1, agents + 1) if agent not in present)

    def _push(self, task: str) -> None:
        level = self._levels.get(task, 0)
        if level > self._level:
            self._beyond.setdefault(level, []).append(task)
            return
        rank = (-self._priorities.get(task, 0), -self._graph.bottom_level[task], self._order[task])
        heapq.heappush(self._heap, (*rank, task))


def predict(graph: TaskGraph, agents: int, durations: Mapping[str, float] | None = None, **fields: Any) -> list[Slot]:
    """The list schedule of `durations` (default: the estimates) on so many agents, in start order.

    `fields`: `priorities`, `files` and `levels`, as for `Scheduler`.
    """
    times = durations or graph.minutes
    scheduler = Scheduler(graph, agents, **fields)
    slots: list[Slot] = []
    running: list[tuple[float, int, str]] = []
    now = 0.0
    while True:
        while (start := scheduler.next_start()) is not None:
            task, agent = start
            heapq.heappush(running, (now + times[task], len(slots), task))
            slots.append(Slot(task, agent, now, now + times[task]))
        if not running:
            return slots
        now = running[0][0]
        # All that ends now frees its agents before any starts: the order of equal ends decides nothing.
        while running and running[0][0] <= now:
            task = heapq.heappop(running)[2]
            scheduler.release_agent(task)
            scheduler.release_files(task)
            scheduler.landed(task)
            scheduler.close(task)


def makespan(slots: Sequence[Slot]) -> float:
    """When the last slot ends."""
    return max((slot.end for slot in slots), default=0.0)


def batches(graph: TaskGraph, agents: int) -> list[list[str]]:
    """Levels cut to at most `agents` tasks, longest remaining path first: what could run together."""
    cut = []
    for level in graph.levels:
        ranked = sorted(level, key=lambda task: -graph.bottom_level[task])
        cut += [ranked[at : at + agents] for at in range(0, len(ranked), agents)]
    return cut
