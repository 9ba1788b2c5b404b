"""The graph of tasks, analysed: cycles, levels, longest remaining paths, the critical path."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import networkx as nx

if TYPE_CHECKING:
    from epw.core.plan.model import Plan


_MAX_SHOWN = 12


def shown_cycle(cycle: Sequence[str]) -> str:
    """A closed path for messages; of a long one its ends and its length."""
    if len(cycle) <= _MAX_SHOWN:
        return " → ".join(cycle)
    half = _MAX_SHOWN // 2
    return " → ".join([*cycle[:half], f"… {len(cycle) - _MAX_SHOWN} more …", *cycle[-half:]])


class TaskGraph:
    """Tasks in plan order, each with its dependencies (`from` of an edge) and estimated minutes.

    Iterative throughout: a chain of 10,000 works.
    """

    def __init__(self, dependencies: Mapping[str, Sequence[str]], minutes: Mapping[str, float]) -> None:
        self.ids = list(dependencies)
        self.minutes = dict(minutes)
        self.dependencies = {task: list(dict.fromkeys(before)) for task, before in dependencies.items()}
        self.dependants: dict[str, list[str]] = {task: [] for task in self.ids}
        for task, before in self.dependencies.items():
            for dependency in before:
                self.dependants[dependency].append(task)

    @classmethod
    def of_plan(cls, plan: Plan) -> TaskGraph:
        return cls(
            {task.id: task.depends_on for task in plan.tasks},
            {task.id: task.estimated_minutes for task in plan.tasks},
        )

    @property
    def edges(self) -> list[tuple[str, str]]:
        """(dependency, dependant), in plan order."""
        return [(before, task) for task in self.ids for before in self.dependencies[task]]

    @cached_property
    def _directed(self) -> nx.DiGraph[str]:
        graph: nx.DiGraph[str] = nx.DiGraph()
        graph.add_nodes_from(self.ids)
        graph.add_edges_from(self.edges)
        return graph

    def cycles(self) -> list[list[str]]:
        """One cycle a strongly connected component, as a closed path: [a, b, a]."""
        order = {task: index for index, task in enumerate(self.ids)}
        found = []
        for component in nx.strongly_connected_components(self._directed):
            start = min(component, key=order.__getitem__)
            if len(component) > 1 or start in self.dependencies[start]:
                found.append(self._shortest_cycle(start))
        return sorted(found, key=lambda cycle: order[cycle[0]])

    def _shortest_cycle(self, start: str) -> list[str]:
        came_from = {start: ""}
        frontier = deque([start])
        while frontier:
            task = frontier.popleft()
            for after in self.dependants[task]:
                if after == start:
                    path = [start, task]
                    while path[-1] != start:
                        path.append(came_from[path[-1]])
                    return path[::-1]
                if after not in came_from:
                    came_from[after] = task
                    frontier.append(after)
        return [start, start]

    @cached_property
    def topological_order(self) -> list[str]:
        """Every task after its dependencies, plan order where free; needs an acyclic graph."""
        order = {task: index for index, task in enumerate(self.ids)}
        return list(nx.lexicographical_topological_sort(self._directed, key=order.__getitem__))

    @cached_property
    def level(self) -> dict[str, int]:
        """The longest count of dependencies before each task."""
        level: dict[str, int] = {}
        for task in self.topological_order:
            level[task] = max((level[before] + 1 for before in self.dependencies[task]), default=0)
        return level

    @cached_property
    def levels(self) -> list[list[str]]:
        """Tasks by level, plan order within."""
        rows: list[list[str]] = [[] for _ in range(max(self.level.values(), default=-1) + 1)]
        for task in self.ids:
            rows[self.level[task]].append(task)
        return rows

    @cached_property
    def bottom_level(self) -> dict[str, float]:
        """Minutes of the longest path from each task's start to the end of the graph."""
        bottom: dict[str, float] = {}
        for task in reversed(self.topological_order):
            rest = max((bottom[after] for after in self.dependants[task]), default=0.0)
            bottom[task] = self.minutes[task] + rest
        return bottom

    @cached_property
    def critical_path(self) -> list[str]:
        """The longest path by minutes; ties: plan order."""
        path: list[str] = []
        candidates = [task for task in self.ids if not self.dependencies[task]]
        while candidates:
            task = max(candidates, key=self.bottom_level.__getitem__)
            path.append(task)
            candidates = self.dependants[task]
        return path

    @property
    def critical_minutes(self) -> float:
        return sum(self.minutes[task] for task in self.critical_path)

    def ancestors(self, task: str) -> list[str]:
        """Everything that a task depends on, however far."""
        reached: dict[str, None] = {}
        frontier = [task]
        while frontier:
            for before in self.dependencies[frontier.pop()]:
                if before not in reached:
                    reached[before] = None
                    frontier.append(before)
        return list(reached)

    def descendants(self, tasks: Sequence[str]) -> list[str]:
        """Everything that depends on one of `tasks`, however far, in plan order."""
        reached = dict.fromkeys(tasks)
        frontier = list(tasks)
        while frontier:
            for after in self.dependants[frontier.pop()]:
                if after not in reached:
                    reached[after] = None
                    frontier.append(after)
        return [task for task in self.ids if task in reached and task not in tasks]
