"""`execute_parallel_workflow`: the plan that a call asks for; what runs it is the caller's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from epw.core.plan.graph import format_cycle
from epw.tools.checks import Checks, is_integer, read_graph, with_edges

_STRATEGIES = ("conservative", "aggressive")
_LIMITS = {"maxMemoryMB": (100, 32768), "maxCPUPercent": (1, 100)}


def plan_to_execute(arguments: Any) -> dict[str, Any]:
    """Plan document for `executionStrategy`, `maxParallelAgents`, `constraints` and `analysisResult` or `plan`.

    The edges of the analysis, inferred ones too, become `dependsOn`. Raises `InvalidInput`.
    """
    checks = Checks(arguments)
    given = checks.arguments
    strategy = given.get("executionStrategy")
    if strategy not in _STRATEGIES:
        checks.add("executionStrategy", 'executionStrategy must be "conservative" or "aggressive"')
    agents = checks.agents()
    constraints = given.get("constraints")
    _check_constraints(checks, constraints)
    if not isinstance(given.get("wait", False), bool):
        checks.add("wait", "wait must be true or false")
    document: dict[str, Any] = {}
    if "plan" in given:
        if isinstance(given["plan"], dict):
            document = dict(given["plan"])
        else:
            checks.add("plan", "plan must be an object")
    else:
        document = {"tasks": _tasks(checks, given.get("analysisResult"))}
    checks.raise_if_any()
    document |= {"strategy": strategy, "maxAgents": agents}
    if constraints:
        document["constraints"] = {**document.get("constraints", {}), **constraints}
    plan = checks.plan(document.get("tasks"), "tasks", "Task", **_rest(document))
    checks.raise_if_any()
    assert plan is not None
    return document


def _rest(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "tasks"}


def _check_constraints(checks: Checks, constraints: Any) -> None:
    if constraints is None:
        return
    if not isinstance(constraints, dict):
        checks.add("constraints", "constraints must be an object")
        return
    rate, limits = constraints.get("apiRateLimit"), constraints.get("resourceLimits")
    if rate is not None:
        path = "constraints.apiRateLimit"
        provider = rate.get("provider") if isinstance(rate, dict) else None
        if not isinstance(provider, str) or not provider.strip():
            message = "apiRateLimit.provider is required when apiRateLimit is specified"
            checks.add(f"{path}.provider", message)
        requests = rate.get("maxRequestsPerMinute") if isinstance(rate, dict) else None
        if not is_integer(requests) or not 1 <= requests <= 10_000:  # type: ignore[operator]
            message = "apiRateLimit.maxRequestsPerMinute must be between 1 and 10000"
            checks.add(f"{path}.maxRequestsPerMinute", message)
    for name, (least, most) in _LIMITS.items():
        value = limits.get(name) if isinstance(limits, dict) else None
        if value is not None and (not is_integer(value) or not least <= value <= most):
            message = f"resourceLimits.{name} must be between {least} and {most}"
            checks.add(f"constraints.resourceLimits.{name}", message)


def _tasks(checks: Checks, analysis: Any) -> list[dict[str, Any]]:
    """Tasks of an analysis: its graph's nodes, with its edges as dependencies, in batches that keep their order."""
    if not isinstance(analysis, dict):
        checks.add("analysisResult", "analysisResult is required")
        return []
    batches, graph = analysis.get("suggestedBatches"), analysis.get("dependencyGraph")
    for name, value, kind in (("suggestedBatches", batches, list), ("dependencyGraph", graph, dict)):
        if not isinstance(value, kind):
            checks.add(f"analysisResult.{name}", f"analysisResult must contain {name}")
    edges = read_graph(checks, graph, "analysisResult.dependencyGraph") if isinstance(graph, dict) else None
    if edges is None or not isinstance(batches, list) or not isinstance(graph, dict):
        return []
    tasks = {name: _task(name, node) for name, node in graph["nodes"].items()}
    for before, after in edges:
        depends = tasks[after].setdefault("dependsOn", [])
        if before not in depends:
            depends.append(before)
    plan = checks.plan(list(tasks.values()), "analysisResult.dependencyGraph.nodes", "Task")
    if plan is not None:
        if cycles := with_edges(plan, ()).cycles():
            message = f"Circular dependency: {format_cycle(cycles[0])}"
            checks.add("analysisResult.dependencyGraph.edges", message)
        else:
            _check_batches(checks, batches, tasks)
    return list(tasks.values())


def _task(name: str, node: Any) -> dict[str, Any]:
    """The task of a node, which holds it whole or by its description alone."""
    task = node.get("task") if isinstance(node, dict) else None
    whole = dict(task) if isinstance(task, dict) else {"description": task if isinstance(task, str) else name}
    return {"id": name, **whole}


def _check_batches(checks: Checks, batches: list[Any], tasks: Mapping[str, dict[str, Any]]) -> None:
    """Every task in one batch, and none before what it depends on."""
    batch_of: dict[str, int] = {}
    for index, batch in enumerate(batches):
        path = f"analysisResult.suggestedBatches[{index}].tasks"
        members = batch.get("tasks") if isinstance(batch, dict) else None
        if not isinstance(members, list):
            checks.add(path, "tasks must be an array")
            continue
        for position, member in enumerate(members):
            name = member.get("id") if isinstance(member, dict) else member
            if not isinstance(name, str) or name not in tasks:
                checks.add(f"{path}[{position}]", f"batch names a non-existent task: {name}")
            elif name in batch_of:
                checks.add(f"{path}[{position}]", f"{name} is in more than one batch")
            else:
                batch_of[name] = index
    if batches and (missing := [name for name in tasks if name not in batch_of]):
        checks.add("analysisResult.suggestedBatches", f"tasks in no batch: {', '.join(missing[:20])}")
    for name, task in tasks.items():
        for before in task.get("dependsOn", []):
            if name in batch_of and before in batch_of and batch_of[before] >= batch_of[name]:
                path = f"analysisResult.suggestedBatches[{batch_of[name]}]"
                checks.add(path, f"{name} depends on {before}, which is in no earlier batch")
