"""`analyze_task_parallelizability`: whether tasks are worth running in parallel, and why."""

from __future__ import annotations

from typing import Any

from epw.core.analysis.analysis import analyze_graph
from epw.core.plan.graph import TaskGraph
from epw.tools.checks import Checks
from epw.tools.dependency_graph import graph_document
from epw.tools.graph import complete_graph, confidences

MAX_DESCRIPTION = 5000


def analyze_task_parallelizability(arguments: Any) -> dict[str, Any]:
    """`{parallelizable, confidence, reasoning, dependencyGraph, suggestedBatches, estimatedSpeedup, risks, …}`.

    Inferred dependencies count as much as declared ones: the batches and the schedule keep both. Raises `InvalidInput`.
    """
    checks = Checks(arguments)
    description = checks.arguments.get("taskDescription")
    if not isinstance(description, str) or not description.strip():
        checks.add("taskDescription", "taskDescription is required and cannot be empty")
    elif len(description) > MAX_DESCRIPTION:
        message = f"taskDescription exceeds maximum length of {MAX_DESCRIPTION} characters"
        checks.add("taskDescription", message)
    agents = checks.agents(required=False)
    subtasks = checks.arguments.get("subtasks", [])
    if not isinstance(subtasks, list):
        checks.add("subtasks", "subtasks must be an array")
    plan = checks.tasks(subtasks, "subtasks", "Subtask", agents) if subtasks and isinstance(subtasks, list) else None
    checks.raise_if_any()
    if plan is None:
        return _without_subtasks(agents)
    explicit = TaskGraph.of_plan(plan)
    if explicit.cycles():
        return analyze_graph(plan, explicit, [], graph_document(plan, explicit, {}))
    graph, accepted, _ = complete_graph(plan, explicit)
    implicit = [(each.before, each.after) for each in accepted]
    return analyze_graph(plan, graph, implicit, graph_document(plan, graph, confidences(accepted)))


def _without_subtasks(agents: int) -> dict[str, Any]:
    return {
        "parallelizable": False,
        "confidence": 0,
        "reasoning": "No subtasks provided",
        "score": 0,
        "factors": {},
        "dependencyGraph": {"nodes": {}, "edges": []},
        "suggestedBatches": [],
        "estimatedSpeedup": 1,
        "estimatedMinutes": 0,
        "totalMinutes": 0,
        "criticalPath": [],
        "criticalPathMinutes": 0,
        "maxParallelAgents": agents,
        "risks": [],
        "bottlenecks": [],
        "prediction": None,
    }
