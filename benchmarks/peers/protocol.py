"""What the script of a contestant reads and prints. Needs the standard library alone: scripts run in any environment.

One graph a line comes in, as JSON; one answer with its seconds goes out, after a first one with the versions. A script
starts its engine and runs a small graph before that, so neither start nor imports are in the seconds. Its working
directory is an empty one of its own.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from importlib.metadata import version

ANSWER = "answer: "
"""What a line of standard output begins with that is no engine's own."""
Run = Callable[["Graph"], float]
"""Runs a graph; the seconds from asking for it to having its result."""


@dataclass(frozen=True)
class Graph:
    """Tasks that sleep."""

    dependencies: dict[str, list[str]]
    seconds: dict[str, float]
    ranks: dict[str, float]
    """Seconds of the longest path from the start of each task to the end: the greater, the earlier it starts."""
    agents: int

    @property
    def in_order(self) -> list[str]:
        """Dependencies first, then by rank."""
        schedule = ListSchedule(self, len(self.ranks))
        found: list[str] = []
        while started := schedule.starts():
            found += started
            for task in started:
                schedule.ended(task)
        return found

    def to_line(self) -> str:
        return json.dumps(asdict(self))


class ListSchedule:
    """What starts next, for engines that leave it to their user: of the tasks that are ready, that of greatest rank."""

    def __init__(self, graph: Graph, agents: int | None = None) -> None:
        self._free = agents or graph.agents
        self._left = {task: len(before) for task, before in graph.dependencies.items()}
        self._after: dict[str, list[str]] = {task: [] for task in graph.dependencies}
        for task, before in graph.dependencies.items():
            for each in before:
                self._after[each].append(task)
        self._keys = {task: (-graph.ranks[task], number) for number, task in enumerate(graph.dependencies)}
        self._ready = [(self._keys[task], task) for task, left in self._left.items() if not left]
        heapq.heapify(self._ready)

    def starts(self) -> list[str]:
        """Tasks that start now, each on an agent of its own."""
        found = []
        while self._ready and self._free:
            found.append(heapq.heappop(self._ready)[1])
            self._free -= 1
        return found

    def ended(self, task: str) -> None:
        self._free += 1
        for after in self._after[task]:
            self._left[after] -= 1
            if not self._left[after]:
                heapq.heappush(self._ready, (self._keys[after], after))


WARM = Graph(
    {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}, dict.fromkeys("abcd", 0.0), dict.fromkeys("abcd", 0.0), 2
)


def serve(run: Run, *packages: str) -> None:
    """Answer the graphs of standard input."""
    run(WARM)
    _answer({package: version(package) for package in packages})
    for line in sys.stdin:
        _answer(run(Graph(**json.loads(line))))


def _answer(value: object) -> None:
    print(ANSWER + json.dumps(value), flush=True)


def serve_async(engine: AbstractAsyncContextManager[Callable[[Graph], Awaitable[float]]], *packages: str) -> None:
    """The same for an engine of asyncio."""
    with asyncio.Runner() as runner:
        run = runner.run(engine.__aenter__())

        async def once(graph: Graph) -> float:
            return await run(graph)

        try:
            serve(lambda graph: runner.run(once(graph)), *packages)
        finally:
            runner.run(engine.__aexit__(None, None, None))
