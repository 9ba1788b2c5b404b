"""Analysis of a plan: whether it is worth running in parallel, its batches, risks and bottlenecks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from epw.core.amounts import count
from epw.core.analysis.bottlenecks import bottlenecks
from epw.core.analysis.contention import Contention, contention
from epw.core.analysis.outlook import ANYWHERE, Circumstances, outlook
from epw.core.plan.graph import TaskGraph, format_cycle
from epw.core.plan.model import Plan
from epw.core.schedule.prediction import makespan, predict, predict_plan
from epw.core.schedule.scheduler import batches, declared_files

_WEIGHTS = {
    "independence": 0.30,
    "duration": 0.25,
    "conflictRisk": 0.25,
    "dependencyComplexity": 0.10,
    "resourceContention": 0.10,
}
_MIN_SCORE, _MIN_SPEEDUP, _MIN_TASKS = 40, 1.5, 3
_MAX_LEVEL_TASKS, _MAX_LEVEL_RATIO = 10, 3
_MAX_CYCLES_SHOWN = 20
_MAX_FILE_RISKS = 20


def analyze(plan: Plan, here: Circumstances = ANYWHERE) -> dict[str, Any]:
    """Analysis of a plan as it is written; times in minutes, null where a cycle leaves no schedule."""
    graph = TaskGraph.of_plan(plan)
    return analyze_graph(plan, graph, [], _graph_document(plan, graph), here)


def analyze_graph(
    plan: Plan,
    graph: TaskGraph,
    implicit: Sequence[tuple[str, str]],
    document: dict[str, Any],
    here: Circumstances = ANYWHERE,
) -> dict[str, Any]:
    """Analysis of a plan whose graph also has `implicit` edges; `document` is that graph for the reader."""
    agents, cycles = plan.max_agents, graph.cycles()
    if cycles:
        return _cyclic(graph, agents, cycles, document)
    total = sum(graph.minutes.values())
    slots = predict_plan(plan, graph)
    planned = makespan(slots)
    speedup = total / planned if planned else 1.0
    files = contention(plan.tasks, graph, _MAX_FILE_RISKS)
    factors = _factors(graph, files)
    score = sum(_WEIGHTS[name] * value for name, value in factors.items())
    risks = [*_risks(plan, graph, files), *_implicit_risks(implicit)]
    parallelizable, reasoning = _decide(len(graph.ids), score, speedup, risks)
    return {
        "parallelizable": parallelizable,
        "confidence": 100 if len(graph.ids) == 1 else round(_confidence(plan, graph, implicit)),
        "reasoning": reasoning,
        "score": round(score, 2),
        "factors": {name: round(value, 2) for name, value in factors.items()},
        "dependencyGraph": document,
        "suggestedBatches": batch_documents(plan, graph),
        "estimatedSpeedup": round(speedup, 4),
        "estimatedMinutes": planned,
        "totalMinutes": total,
        "criticalPath": graph.critical_path,
        "criticalPathMinutes": graph.critical_minutes,
        "maxParallelAgents": agents,
        "risks": risks,
        "bottlenecks": bottlenecks(plan, graph, slots, files.rivals),
        "prediction": outlook(plan, graph, here),
    }


def batch_documents(plan: Plan, graph: TaskGraph) -> list[dict[str, Any]]:
    """Batches of at most `maxAgents` tasks, each with the batches that it depends on."""
    cut = batches(graph, plan.max_agents)
    batch_of = {task: f"batch-{index}" for index, batch in enumerate(cut, 1) for task in batch}
    files = declared_files(plan)
    return [
        {
            "id": f"batch-{index}",
            "tasks": batch,
            "estimatedMinutes": _batch_minutes(batch, graph, files),
            "dependsOnBatches": list(
                dict.fromkeys(batch_of[before] for task in batch for before in graph.dependencies[task])
            ),
        }
        for index, batch in enumerate(cut, 1)
    ]


def _batch_minutes(batch: list[str], graph: TaskGraph, files: Mapping[str, Sequence[str]]) -> float:
    """Minutes of a batch with an agent for each of its tasks, of which those with the same files take turns."""
    own = {task: files[task] for task in batch if task in files}
    if len(own) < 2:
        return max(graph.minutes[task] for task in batch)
    alone = TaskGraph({task: [] for task in batch}, {task: graph.minutes[task] for task in batch})
    return makespan(predict(alone, len(batch), files=own))


def _factors(graph: TaskGraph, files: Contention) -> dict[str, float]:
    count = len(graph.ids)
    pairs = count * (count - 1) / 2
    average = sum(graph.minutes.values()) / count
    return {
        "independence": 100 * (1 - len(graph.edges) / pairs) if pairs else 100.0,
        "duration": 100 * _clamp((average - 5) / 55),
        "conflictRisk": 100 * files.apart,
        "dependencyComplexity": 100 * _clamp((11 - len(graph.levels)) / 10),
        "resourceContention": 100 * files.apart,
    }


def _decide(count: int, score: float, speedup: float, risks: list[dict[str, str]]) -> tuple[bool, str]:
    critical = next((risk["description"] for risk in risks if risk["severity"] == "critical"), None)
    rules = (
        (count < _MIN_TASKS, f"{count} of at least {_MIN_TASKS} tasks"),
        (critical is not None, f"critical risk: {critical}"),
        (speedup < _MIN_SPEEDUP - 1e-9, f"estimated speedup {speedup:.2f} < {_MIN_SPEEDUP}"),
        (score < _MIN_SCORE - 1e-9, f"score {score:.0f} < {_MIN_SCORE}"),
    )
    for applies, reason in rules:
        if applies:
            return False, f"Not parallelizable: {reason}"
    return (
        True,
        f"Parallelizable: score {score:.0f} ≥ {_MIN_SCORE}, estimated speedup {speedup:.2f} ≥ {_MIN_SPEEDUP}",
    )


def _confidence(plan: Plan, graph: TaskGraph, implicit: Sequence[tuple[str, str]]) -> float:
    """How much was given and how little assumed: estimates, files, and the share of explicit edges."""
    count, edges = len(plan.tasks), len(graph.edges)
    estimated = sum("estimated_minutes" in task.model_fields_set for task in plan.tasks) / count
    with_files = sum(bool(task.files) for task in plan.tasks) / count
    explicit = 1 - len(implicit) / edges if edges else 1.0
    return 100 * (estimated + with_files + explicit) / 3


def _implicit_risks(implicit: Sequence[tuple[str, str]]) -> Iterator[dict[str, str]]:
    for before, after in implicit[:_MAX_FILE_RISKS]:
        message = f"{after} seems to depend on {before}, by its description"
        yield _risk(message, "medium", f"declare it: add {before} to its dependsOn, or reword the description")


def _risks(plan: Plan, graph: TaskGraph, files: Contention) -> list[dict[str, str]]:
    risks = [
        _risk(
            f"{one} and {other} may both write {path}",
            "high",
            "order them by an edge; they will not run at once",
        )
        for one, other, path in files.examples
    ]
    seen: dict[str, str] = {}
    for task in plan.tasks:
        text = " ".join(task.description.lower().split())
        if text in seen:
            message = f"{seen[text]} and {task.id} have the same description"
            risks.append(_risk(message, "medium", "say what each of them does, or remove one"))
        seen.setdefault(text, task.id)
    for number, level in enumerate(graph.levels):
        if len(level) > _MAX_LEVEL_TASKS:
            risks.append(
                _risk(f"level {number} has {count(len(level), 'task')}", "low", "give enough agents, or let them queue")
            )
    longest = [max(graph.minutes[task] for task in level) for level in graph.levels]
    if longest and max(longest) > _MAX_LEVEL_RATIO * min(longest):
        risks.append(_risk("the levels' longest tasks differ by more than 3 times", "low", "split the longest tasks"))
    return risks


def _risk(description: str, severity: str, mitigation: str) -> dict[str, str]:
    return {"description": description, "severity": severity, "mitigation": mitigation}


def _graph_document(plan: Plan, graph: TaskGraph) -> dict[str, Any]:
    """The graph for the reader; a cyclic one has no levels."""
    edges = [{"from": before, "to": after, "type": "explicit"} for before, after in graph.edges]
    if graph.cycles():
        return {"nodes": {task: {"id": task} for task in graph.ids}, "edges": edges}
    level = graph.level
    nodes = {task.id: {"id": task.id, "task": task.description, "level": level[task.id]} for task in plan.tasks}
    return {"nodes": nodes, "edges": edges}


def _cyclic(graph: TaskGraph, agents: int, cycles: list[list[str]], document: dict[str, Any]) -> dict[str, Any]:
    message = "Circular dependencies prevent parallelization"
    paths = "; ".join(map(format_cycle, cycles[:_MAX_CYCLES_SHOWN]))
    return {
        "parallelizable": False,
        "confidence": 100,
        "reasoning": f"{message}: {paths}",
        "score": 0,
        "factors": {},
        "hasCycles": True,
        "cycles": cycles,
        "dependencyGraph": document,
        "suggestedBatches": [],
        "estimatedSpeedup": 1,
        "estimatedMinutes": None,
        "totalMinutes": sum(graph.minutes.values()),
        "criticalPath": [],
        "criticalPathMinutes": None,
        "maxParallelAgents": agents,
        "risks": [_risk(message, "critical", f"remove one edge of: {paths}")],
        "bottlenecks": [],
        "prediction": None,
    }


def _clamp(value: float) -> float:
    return min(1.0, max(0.0, value))
