"""`create_dependency_graph`: the graph of tasks, with the dependencies that their descriptions imply."""

from __future__ import annotations

from typing import Any

from epw.core.plan.graph import TaskGraph
from epw.core.plan.model import Plan
from epw.tools.checks import Checks
from epw.tools.dependency_graph import graph_document, with_edges
from epw.tools.implicit import Candidate, inferred


def create_dependency_graph(arguments: Any) -> dict[str, Any]:
    """`{graph, implicitDependencies, hasCycles, cycles?, topologicalOrder, criticalPath, rejectedDependencies}`.

    Raises `InvalidInput`.
    """
    checks = Checks(arguments)
    detect = checks.truth("detectImplicit", default=True)
    tasks = checks.array("tasks")
    plan = checks.tasks(tasks, "tasks", "Task") if tasks else None
    checks.raise_if_any()
    assert plan is not None
    explicit = TaskGraph.of_plan(plan)
    cycles = explicit.cycles()
    if cycles:
        return {
            "graph": graph_document(plan, explicit, {}),
            "implicitDependencies": [],
            "hasCycles": True,
            "cycles": cycles,
            "topologicalOrder": [],
            "criticalPath": [],
            "rejectedDependencies": [],
        }
    graph, accepted, rejected = complete_graph(plan, explicit) if detect else (explicit, [], [])
    return {
        "graph": graph_document(plan, graph, confidences(accepted)),
        "implicitDependencies": [_document(each) for each in accepted],
        "hasCycles": False,
        "topologicalOrder": graph.topological_order,
        "criticalPath": graph.critical_path,
        "rejectedDependencies": [{**_document(each), "rejectedBecause": reason} for each, reason in rejected],
    }


def complete_graph(plan: Plan, explicit: TaskGraph) -> tuple[TaskGraph, list[Candidate], list[tuple[Candidate, str]]]:
    """An acyclic plan's graph with the inferred edges; these; and those that were rejected, with the reason."""
    accepted, rejected = inferred(plan.tasks, explicit)
    edges = [(each.before, each.after) for each in accepted]
    return with_edges(plan, edges) if edges else explicit, accepted, rejected


def confidences(accepted: list[Candidate]) -> dict[tuple[str, str], float]:
    """Inferred edges with their confidence."""
    return {(each.before, each.after): each.confidence for each in accepted}


def _document(candidate: Candidate) -> dict[str, Any]:
    return {
        "from": candidate.before,
        "to": candidate.after,
        "confidence": candidate.confidence,
        "reasoning": candidate.reasoning,
    }
