"""`DependencyGraph`: the JSON form of a graph that one tool gives and the next one takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from epw.core.plan.graph import TaskGraph
from epw.core.plan.model import DEFAULT_MINUTES, MAX_MINUTES, Plan
from epw.core.plan.validate import check_cycles
from epw.tools.checks import Checks, is_number

Edges = list[tuple[str, str]]
"""(dependency, dependant)."""


def with_edges(plan: Plan, edges: Iterable[tuple[str, str]]) -> TaskGraph:
    """The graph of a plan with more edges (from a dependency, to its dependant)."""
    dependencies = {task.id: list(task.depends_on) for task in plan.tasks}
    for before, after in edges:
        dependencies[after].append(before)
    return TaskGraph(dependencies, {task.id: task.estimated_minutes for task in plan.tasks})


def graph_document(plan: Plan, graph: TaskGraph, inferred: Mapping[tuple[str, str], float]) -> dict[str, Any]:
    """Whole tasks as nodes, so that the next tool needs nothing else; levels of an acyclic graph."""
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


def read_graph(checks: Checks, value: Any, path: str = "dependencyGraph") -> tuple[dict[str, Any], Edges] | None:
    """Nodes and edges of a document; None where it cannot be read."""
    if not isinstance(value, dict):
        checks.add(path, f"{path.rpartition('.')[2]} is required")
        return None
    nodes = value.get("nodes")
    if not isinstance(nodes, dict) or not nodes:
        checks.add(f"{path}.nodes", f"{path.rpartition('.')[2]} must contain nodes")
        return None
    edges = value.get("edges")
    if edges is not None and not isinstance(edges, list):
        checks.add(f"{path}.edges", "edges must be an array")
        return None
    found = []
    for index, edge in enumerate(edges or []):
        ends = (edge.get("from"), edge.get("to")) if isinstance(edge, dict) else (None, None)
        unknown = [end for end in ends if not isinstance(end, str) or end not in nodes]
        if unknown:
            checks.add(f"{path}.edges[{index}]", f"edge names a non-existent task: {unknown[0]}")
        else:
            found.append((str(ends[0]), str(ends[1])))
    return nodes, found


def optional_graph(checks: Checks) -> TaskGraph | None:
    """The acyclic graph of `dependencyGraph` by its edges; None where it is not there, is empty or cannot be read."""
    value = checks.arguments.get("dependencyGraph")
    if value is None or (isinstance(value, dict) and value.get("nodes") == {}):
        return None
    if (read := read_graph(checks, value)) is None:
        return None
    nodes, edges = read
    dependencies: dict[str, list[str]] = {node: [] for node in nodes}
    for before, after in edges:
        dependencies[after].append(before)
    graph = TaskGraph(dependencies, {name: _minutes(node) for name, node in nodes.items()})
    cycles = check_cycles(graph, "dependencyGraph.edges")
    checks.problems += cycles
    return None if cycles else graph


def _minutes(node: Any) -> float:
    """The estimate of a node's task."""
    task = node.get("task") if isinstance(node, dict) else None
    value: Any = task.get("estimatedMinutes") if isinstance(task, dict) else None
    return value if is_number(value) and 0 < value <= MAX_MINUTES else DEFAULT_MINUTES
