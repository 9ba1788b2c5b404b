"""Checks of a tool's arguments: every problem is collected, with the path of the value, and reported at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from epw.core.errors import InvalidInput, InvalidPlan, Problem
from epw.core.plan.graph import TaskGraph
from epw.core.plan.model import Plan
from epw.core.plan.validate import read_plan

MAX_AGENTS = 1000


class Checks:
    """Problems of one call. `raise_if_any` raises `InvalidInput` with all of them."""

    def __init__(self, arguments: Any) -> None:
        self.problems: list[Problem] = []
        self.arguments: Mapping[str, Any] = arguments if isinstance(arguments, dict) else {}
        if not isinstance(arguments, dict):
            self.add("", "the arguments must be an object")

    def add(self, path: str, message: str) -> None:
        self.problems.append(Problem(path, message))

    def raise_if_any(self) -> None:
        if self.problems:
            raise InvalidInput(self.problems)

    def items(self, name: str, most: int) -> list[Any]:
        """A required array of 1 to `most` entries."""
        value = self._array(name)
        if len(value) > most:
            self.add(name, f"{name}: at most {most} entries are allowed (current: {len(value)})")
            return []
        return value

    def _array(self, name: str) -> list[Any]:
        """A required array that is not empty; an empty one where it is not there."""
        value = self.arguments.get(name)
        if isinstance(value, list) and value:
            return value
        self.add(name, f"{name} array is required and cannot be empty")
        return []

    def one_of(self, name: str, allowed: Sequence[str]) -> str:
        """A word of a list."""
        value = self.arguments.get(name)
        if value not in allowed:
            self.add(name, f"{name} must be one of: {', '.join(allowed)}")
            return allowed[0]
        return str(value)

    def agents(self, *, required: bool = True, default: int = 5) -> int:
        """`maxParallelAgents`."""
        value: Any = self.arguments.get("maxParallelAgents")
        if value is None and "maxParallelAgents" not in self.arguments:
            if required:
                self.add("maxParallelAgents", "maxParallelAgents is required")
            return default
        if not is_integer(value) or not 1 <= value <= MAX_AGENTS:
            self.add("maxParallelAgents", f"maxParallelAgents must be between 1 and {MAX_AGENTS}")
            return default
        return int(value)

    def tasks(self) -> Plan | None:
        """The required array `tasks` as a plan; None where it has problems."""
        tasks = self._array("tasks")
        return self.plan(tasks, "tasks", "Task") if tasks else None

    def plan(self, tasks: Any, name: str, noun: str, **fields: Any) -> Plan | None:
        """Tasks as a plan; None where they have problems, which are added under the argument's own name."""
        try:
            return read_plan({"tasks": tasks, **fields}, runnable=False, noun=noun)
        except InvalidPlan as error:
            self.problems += [Problem(_renamed(each.path, name), each.message) for each in error.problems]
            return None


def _renamed(path: str, name: str) -> str:
    return name + path.removeprefix("tasks") if path.startswith("tasks") else path


def is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether a JSON value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def with_edges(plan: Plan, edges: Iterable[tuple[str, str]]) -> TaskGraph:
    """The graph of a plan with more edges (from a dependency, to its dependant)."""
    dependencies = {task.id: list(task.depends_on) for task in plan.tasks}
    for before, after in edges:
        dependencies[after].append(before)
    return TaskGraph(dependencies, {task.id: task.estimated_minutes for task in plan.tasks})


def graph_document(plan: Plan, graph: TaskGraph, inferred: Mapping[tuple[str, str], float]) -> dict[str, Any]:
    """`DependencyGraph`: whole tasks as nodes, so that the next tool needs nothing else; levels of an acyclic graph."""
    level = graph.level if not graph.cycles() else {}
    nodes = {
        task.id: {
            "id": task.id,
            "task": task.model_dump(mode="json", by_alias=True, exclude_unset=True),
            **({"level": level[task.id]} if level else {}),
        }
        for task in plan.tasks
    }
    edges = [
        {"from": before, "to": after, "type": "implicit", "confidence": inferred[before, after]}
        if (before, after) in inferred
        else {"from": before, "to": after, "type": "explicit"}
        for before, after in graph.edges
    ]
    return {"nodes": nodes, "edges": edges}


def read_graph(checks: Checks, value: Any, path: str = "dependencyGraph") -> list[tuple[str, str]] | None:
    """Edges of a `DependencyGraph`, with its nodes checked; None where it cannot be read."""
    if not isinstance(value, dict):
        checks.add(path, f"{path.rpartition('.')[2]} is required")
        return None
    nodes = value.get("nodes")
    if not isinstance(nodes, dict) or not nodes:
        checks.add(f"{path}.nodes", f"{path.rpartition('.')[2]} must contain nodes")
        return None
    edges = value.get("edges", [])
    if not isinstance(edges, list):
        checks.add(f"{path}.edges", "edges must be an array")
        return None
    found = []
    for index, edge in enumerate(edges):
        ends = (edge.get("from"), edge.get("to")) if isinstance(edge, dict) else (None, None)
        unknown = [end for end in ends if not isinstance(end, str) or end not in nodes]
        if unknown:
            checks.add(f"{path}.edges[{index}]", f"edge names a non-existent task: {unknown[0]}")
        else:
            found.append((str(ends[0]), str(ends[1])))
    return found
