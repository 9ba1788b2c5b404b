"""`execute_parallel_workflow`: the plan that a call asks for; what runs it is the caller's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from epw.core.plan.graph import TaskGraph
from epw.core.plan.validate import check_cycles
from epw.tools.checks import Checks, is_number, whole_number, without_nulls
from epw.tools.dependency_graph import read_graph

MAX_REQUESTS_PER_MINUTE = 10_000
MEMORY_MB = (100, 32_768)
CPU_PERCENT = (1, 100)
_NODES = "analysisResult.dependencyGraph.nodes"


def plan_to_execute(arguments: Any) -> dict[str, Any]:
    """Plan document of an `analysisResult`, whose edges, inferred ones too, become `dependsOn`, or of a `plan`.

    `executionStrategy`, `maxParallelAgents` and `constraints` take the place of the plan's own; without a `plan` the
    first two are required. Raises `InvalidInput`.
    """
    checks = Checks(arguments)
    given = checks.arguments
    is_plan = "plan" in given
    asked: dict[str, Any] = {}
    if not is_plan or "executionStrategy" in given:
        asked["strategy"] = checks.strategy()
    if not is_plan or "maxParallelAgents" in given:
        asked["maxAgents"] = checks.agents()
    constraints = _constraints(checks, given.get("constraints"))
    checks.truth("wait", default=False)
    if is_plan:
        document = _plan(checks, given, asked, constraints)
    else:
        document = _analysed(checks, given.get("analysisResult"), asked, constraints)
    checks.raise_if_any()
    return document


def _plan(
    checks: Checks, given: Mapping[str, Any], asked: Mapping[str, Any], constraints: dict[str, Any]
) -> dict[str, Any]:
    """The plan of the call with what the call says beside it."""
    if "analysisResult" in given:
        checks.add("plan", "give analysisResult or plan, not both")
    if not isinstance(given["plan"], dict):
        checks.add("plan", "plan must be an object")
        return {}
    document = {**given["plan"], **_known(asked)}
    if "maxAgents" in asked:
        document.pop("max_agents", None)
    own = document.get("constraints")
    if constraints and (own is None or isinstance(own, dict)):
        document["constraints"] = _merged(own or {}, constraints)
    plan = checks.plan(document, "Task", lambda path: f"plan.{path}")
    if plan is not None:
        checks.problems += check_cycles(TaskGraph.of_plan(plan), "plan.tasks")
    return document


def _analysed(checks: Checks, analysis: Any, asked: Mapping[str, Any], constraints: dict[str, Any]) -> dict[str, Any]:
    """Tasks of an analysis: its graph's nodes, with its edges as dependencies, in batches that keep their order."""
    if not isinstance(analysis, dict):
        checks.add("analysisResult", "analysisResult is required")
        return {}
    batches, graph = analysis.get("suggestedBatches"), analysis.get("dependencyGraph")
    for name, value, kind in (("suggestedBatches", batches, list), ("dependencyGraph", graph, dict)):
        if not isinstance(value, kind):
            checks.add(f"analysisResult.{name}", f"analysisResult must contain {name}")
    read = read_graph(checks, graph, "analysisResult.dependencyGraph") if isinstance(graph, dict) else None
    if read is None:
        return {}
    nodes, edges = read
    tasks = {name: _task(checks, name, node) for name, node in nodes.items()}
    for before, after in edges:
        depends = tasks[after].setdefault("dependsOn", [])
        if isinstance(depends, list) and before not in depends:
            depends.append(before)
    document = {"tasks": list(tasks.values()), **_known(asked), **({"constraints": constraints} if constraints else {})}
    plan = checks.plan(document, "Task", lambda path: _path_in_nodes(path, list(tasks)))
    if plan is not None:
        order = TaskGraph.of_plan(plan)
        if cycles := check_cycles(order, "analysisResult.dependencyGraph.edges"):
            checks.problems += cycles
        elif isinstance(batches, list):
            _check_batches(checks, batches, order)
    return document


def _known(asked: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in asked.items() if value is not None}


def _merged(own: Mapping[str, Any], constraints: Mapping[str, Any]) -> dict[str, Any]:
    """Constraints of a plan, in which each limit that the call gives takes the place of the plan's own."""
    merged = dict(own)
    for name, limits in constraints.items():
        inner = merged.get(name)
        merged[name] = {**inner, **limits} if isinstance(inner, dict) and isinstance(limits, dict) else limits
    return merged


def _constraints(checks: Checks, given: Any) -> dict[str, Any]:
    """The constraints of the call, without nulls; empty where they cannot be read."""
    if given is None:
        return {}
    if not isinstance(given, dict):
        checks.add("constraints", "constraints must be an object")
        return {}
    found = {name: without_nulls(value) for name, value in given.items() if value is not None}
    for name in ("apiRateLimit", "resourceLimits"):
        if name in found and not isinstance(found[name], dict):
            checks.add(f"constraints.{name}", f"{name} must be an object")
            del found[name]
    if (rate := found.get("apiRateLimit")) is not None and not _is_rate(checks, rate):
        del found["apiRateLimit"]
    if (limits := found.get("resourceLimits")) is not None:
        _check_limits(checks, limits)
    return found


def _is_rate(checks: Checks, rate: dict[str, Any]) -> bool:
    path, before = "constraints.apiRateLimit", len(checks.problems)
    provider, requests = rate.get("provider"), whole_number(rate.get("maxRequestsPerMinute"))
    if not isinstance(provider, str) or not provider.strip():
        checks.add(f"{path}.provider", "apiRateLimit.provider is required when apiRateLimit is specified")
    if requests is None or not 1 <= requests <= MAX_REQUESTS_PER_MINUTE:
        message = f"apiRateLimit.maxRequestsPerMinute must be between 1 and {MAX_REQUESTS_PER_MINUTE}"
        checks.add(f"{path}.maxRequestsPerMinute", message)
    rate["maxRequestsPerMinute"] = requests
    return len(checks.problems) == before


def _check_limits(checks: Checks, limits: dict[str, Any]) -> None:
    """Check the limits; those that are wrong are taken out, whole numbers become integers."""
    known = {"maxMemoryMB": MEMORY_MB, "maxCPUPercent": CPU_PERCENT, "maxDurationMs": (1, None)}
    for name, (least, most) in known.items():
        if name not in limits:
            continue
        value = limits.pop(name)
        whole = whole_number(value)
        number = value if whole is None and name == "maxCPUPercent" and is_number(value) else whole
        if number is not None and least <= number and (most is None or number <= most):
            limits[name] = number
        else:
            bounds = f"between {least} and {most}" if most else f"at least {least}"
            checks.add(f"constraints.resourceLimits.{name}", f"resourceLimits.{name} must be {bounds}")


def _task(checks: Checks, name: str, node: Any) -> dict[str, Any]:
    """The task of a node, which holds it whole or by its description alone."""
    task = node.get("task") if isinstance(node, dict) else None
    whole = without_nulls(task) if isinstance(task, dict) else {"description": task if isinstance(task, str) else name}
    if whole.setdefault("id", name) != name:
        checks.add(f"{_NODES}.{name}.task.id", f"node {name} holds another task: {whole['id']}")
    if isinstance(whole.get("dependsOn"), list):
        whole["dependsOn"] = list(whole["dependsOn"])
    return {**whole, "id": name}


def _path_in_nodes(path: str, names: list[str]) -> str:
    """A path in the plan as one in the analysis: `tasks[0].id` is `….nodes.NAME.task.id`."""
    index, _, rest = path.removeprefix("tasks[").partition("]")
    return f"{_NODES}.{names[int(index)]}.task{rest}" if path.startswith("tasks[") else path.replace("tasks", _NODES)


def _check_batches(checks: Checks, batches: list[Any], graph: TaskGraph) -> None:
    """Check that every task is in one batch, and in none before what it depends on."""
    batch_of: dict[str, int] = {}
    for index, batch in enumerate(batches):
        path = f"analysisResult.suggestedBatches[{index}].tasks"
        members = batch.get("tasks") if isinstance(batch, dict) else None
        if not isinstance(members, list):
            checks.add(path, "tasks must be an array")
            continue
        for position, member in enumerate(members):
            name = member.get("id") if isinstance(member, dict) else member
            if not isinstance(name, str) or name not in graph.dependencies:
                checks.add(f"{path}[{position}]", f"batch names a non-existent task: {name}")
            elif name in batch_of:
                checks.add(f"{path}[{position}]", f"{name} is in more than one batch")
            else:
                batch_of[name] = index
    if batches and (missing := [name for name in graph.ids if name not in batch_of]):
        checks.add("analysisResult.suggestedBatches", f"tasks in no batch: {', '.join(missing[:20])}")
    for before, name in graph.edges:
        if name in batch_of and before in batch_of and batch_of[before] >= batch_of[name]:
            path = f"analysisResult.suggestedBatches[{batch_of[name]}]"
            checks.add(path, f"{name} depends on {before}, which is in no earlier batch")
