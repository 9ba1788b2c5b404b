"""Graph of a plan's tasks: cycles, levels, longest remaining paths, the critical path.

networkx does the graph work. Its import takes a third of a second, so each function that needs it imports it itself:
commands that analyse no graph do not wait for it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import networkx as nx

    from epw.core.plan.model import Plan


_MAX_TASKS_SHOWN = 12


def format_cycle(cycle: Sequence[str]) -> str:
    """The closed path as text; of a long one only both ends and how many tasks are between them."""
    if len(cycle) <= _MAX_TASKS_SHOWN:
        return " → ".join(cycle)
    half = _MAX_TASKS_SHOWN // 2
    return " → ".join([*cycle[:half], f"… {len(cycle) - _MAX_TASKS_SHOWN} more …", *cycle[-half:]])


class TaskGraph:
    """Directed graph of tasks in plan order; an edge goes from a dependency to its dependant.

    `dependencies` names the direct dependencies of every task, `minutes` its estimate. Nothing here is recursive:
    a chain of 10,000 tasks works. Levels, orders and paths need an acyclic graph.
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
        """The graph of a plan whose dependencies all exist."""
        return cls(
            {task.id: task.depends_on for task in plan.tasks},
            {task.id: task.estimated_minutes for task in plan.tasks},
        )

    @property
    def edges(self) -> list[tuple[str, str]]:
        """(dependency, dependant), by the plan order of the dependants."""
        return [(before, task) for task in self.ids for before in self.dependencies[task]]

    @cached_property
    def _position(self) -> dict[str, int]:
        """Each task's index in the plan."""
        return {task: index for index, task in enumerate(self.ids)}

    @cached_property
    def _digraph(self) -> nx.DiGraph[str]:
        import networkx as nx

        graph: nx.DiGraph[str] = nx.DiGraph()
        graph.add_nodes_from(self.ids)
        graph.add_edges_from(self.edges)
        return graph

    def cycles(self) -> list[list[str]]:
        """One cycle for each strongly connected component, as a closed path: [a, b, a]."""
        return self._cycles

    @cached_property
    def _cycles(self) -> list[list[str]]:
        import networkx as nx

        found = []
        for component in nx.strongly_connected_components(self._digraph):
            start = min(component, key=self._position.__getitem__)
            if len(component) > 1 or start in self.dependencies[start]:
                found.append(self._shortest_cycle(start))
        return sorted(found, key=lambda cycle: self._position[cycle[0]])

    def _shortest_cycle(self, start: str) -> list[str]:
        """The shortest closed path through a task that is on one."""
        import networkx as nx

        last_tasks, came_from, last = set(self.dependencies[start]), {start: start}, start
        if start not in last_tasks:
            for before, last in nx.bfs_edges(self._digraph, start):
                came_from[last] = before
                if last in last_tasks:
                    break
        path = [start, last]
        while path[-1] != start:
            path.append(came_from[path[-1]])
        return path[::-1]

    @cached_property
    def topological_order(self) -> list[str]:
        """Every task after its dependencies; plan order where the edges leave it open."""
        import networkx as nx

        return list(nx.lexicographical_topological_sort(self._digraph, key=self._position.__getitem__))

    @cached_property
    def levels(self) -> list[list[str]]:
        """Tasks by the length of the longest chain of dependencies before them; plan order within a level."""
        import networkx as nx

        generations = nx.topological_generations(self._digraph)
        return [sorted(generation, key=self._position.__getitem__) for generation in generations]

    @cached_property
    def level(self) -> dict[str, int]:
        """The level of each task."""
        return {task: number for number, level in enumerate(self.levels) for task in level}

    @cached_property
    def bottom_level(self) -> dict[str, float]:
        """Minutes of the longest path from the start of each task to the end of the graph.

        Computed here: networkx finds the one longest path of a graph, not that of each node.
        """
        minutes: dict[str, float] = {}
        for task in chain.from_iterable(reversed(self.levels)):
            rest = max((minutes[after] for after in self.dependants[task]), default=0.0)
            minutes[task] = self.minutes[task] + rest
        return minutes

    @cached_property
    def critical_path(self) -> list[str]:
        """The longest path by minutes; of equal ones the first in plan order.

        Read off the bottom levels, which a schedule needs anyway: `networkx.dag_longest_path` weighs edges, so it needs
        a second graph with a node more; for 10,000 tasks that takes 70 ms, this 4.
        """
        path: list[str] = []
        candidates = [task for task in self.ids if not self.dependencies[task]]
        while candidates:
            task = max(candidates, key=self.bottom_level.__getitem__)
            path.append(task)
            candidates = self.dependants[task]
        return path

    @cached_property
    def critical_minutes(self) -> float:
        """Minutes of the critical path: no number of agents is faster."""
        return sum(self.minutes[task] for task in self.critical_path)

    def ancestors(self, task: str) -> set[str]:
        """Every task that this one depends on, directly or through others."""
        import networkx as nx

        return nx.ancestors(self._digraph, task)

    def descendants(self, tasks: Collection[str]) -> list[str]:
        """Every other task that depends on one of `tasks`, directly or through others, in plan order."""
        import networkx as nx

        reached = set(chain.from_iterable(nx.bfs_layers(self._digraph, tasks)))
        return sorted(reached.difference(tasks), key=self._position.__getitem__)
