"""`aggregate_progress`: how far several agents are together, and which of them hold the rest up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from statistics import fmean
from typing import Any

from epw.core.plan.graph import TaskGraph
from epw.tools.checks import Checks, is_number
from epw.tools.dependency_graph import optional_graph

STRATEGIES = ("simple-average", "weighted", "critical-path")
STATUSES = ("idle", "working", "blocked", "complete", "failed")
MAX_PROGRESSES = 1000
_CRITICAL_TENTHS = 3
"""Tenths of the agents that stand for the critical path where no graph is known."""
_IMPACTS = {"high": 0, "medium": 1, "low": 2}


def aggregate_progress(arguments: Any, now: datetime) -> dict[str, Any]:
    """`{overallProgress, method, agentStatuses, bottlenecks, estimatedCompletion, criticalPath?}`.

    `now` is what `estimatedCompletion` counts from. Raises `InvalidInput`.
    """
    checks = Checks(arguments)
    rows = checks.items("agentProgresses", MAX_PROGRESSES)
    strategy = checks.one_of("aggregationStrategy", STRATEGIES)
    _check_rows(checks, rows, weighted=strategy == "weighted")
    graph = optional_graph(checks)
    checks.raise_if_any()
    overall, method, path = _overall(rows, strategy, graph)
    return {
        "overallProgress": round(overall, 2),
        "method": method,
        "agentStatuses": [
            {"agentId": row["agentId"], "status": row["status"], "progress": row["percentComplete"]} for row in rows
        ],
        "bottlenecks": bottlenecks(rows),
        "estimatedCompletion": _completion(rows, now),
        **({"criticalPath": path} if path is not None else {}),
    }


def _check_rows(checks: Checks, rows: Sequence[Any], *, weighted: bool) -> None:
    seen: dict[str, int] = {}
    without_weight: list[str] = []
    for index, row in enumerate(rows):
        path = f"agentProgresses[{index}]"
        if not isinstance(row, dict):
            checks.add(path, f"Agent at index {index} must be an object")
            continue
        agent = row.get("agentId")
        if not isinstance(agent, str) or not agent.strip():
            checks.add(f"{path}.agentId", f"Agent at index {index} is missing required field: agentId")
            continue
        if agent in seen:
            checks.add(f"{path}.agentId", f"Duplicate agent ID found: {agent}")
        seen[agent] = index
        _check_row(checks, path, agent, row)
        if row.get("taskWeight") is None:
            without_weight.append(agent)
    if weighted and without_weight:
        message = f"Weighted strategy requires taskWeight for all agents. Missing for: {', '.join(without_weight)}"
        checks.add("agentProgresses", message)


def _check_row(checks: Checks, path: str, agent: str, row: Mapping[str, Any]) -> None:
    status, percent = row.get("status"), row.get("percentComplete")
    if not is_number(percent) or not 0 <= percent <= 100:  # type: ignore[operator]
        checks.add(f"{path}.percentComplete", f"Agent {agent}: percentComplete must be between 0 and 100")
    if status not in STATUSES:
        checks.add(f"{path}.status", f"Agent {agent}: status must be one of: {', '.join(STATUSES)}")
    task = row.get("currentTask")
    if status != "idle" and (not isinstance(task, str) or not task.strip()):
        checks.add(f"{path}.currentTask", f"Agent {agent} is missing required field: currentTask")
    weight, remaining = row.get("taskWeight"), row.get("estimatedTimeRemaining")
    if weight is not None and (not is_number(weight) or not 0 <= weight <= 100):
        checks.add(f"{path}.taskWeight", f"Agent {agent}: taskWeight must be between 0 and 100")
    if remaining is not None and not is_number(remaining):
        checks.add(f"{path}.estimatedTimeRemaining", f"Agent {agent}: estimatedTimeRemaining must be a number")
    elif remaining is not None and remaining < 0:
        checks.add(f"{path}.estimatedTimeRemaining", f"Agent {agent}: estimatedTimeRemaining cannot be negative")


def _overall(
    rows: Sequence[Mapping[str, Any]], strategy: str, graph: TaskGraph | None
) -> tuple[float, str, list[str] | None]:
    """(percent, how it was found, critical path)."""
    if strategy == "weighted":
        total = sum(row["taskWeight"] for row in rows)
        weighted = sum(row["percentComplete"] * row["taskWeight"] for row in rows)
        return (weighted / total if total else 0.0), strategy, None
    if strategy == "simple-average":
        return fmean(row["percentComplete"] for row in rows), strategy, None
    if graph is not None:
        done: dict[str, float] = {}
        for row in rows:
            task = row.get("currentTask")
            if isinstance(task, str) and task in graph.dependencies:
                done[task] = max(done.get(task, 0.0), 100 if row["status"] == "complete" else row["percentComplete"])
        percent, path = along_longest_path(graph, done)
        return percent, f"{strategy} (along the path of the graph with most work left)", path
    chosen = _critical(rows)
    method = f"{strategy} (no graph: mean of the {len(chosen)} agents with most time left)"
    return fmean(row["percentComplete"] for row in chosen), method, [row["agentId"] for row in chosen]


def along_longest_path(graph: TaskGraph, percent: Mapping[str, float]) -> tuple[float, list[str]]:
    """Percent done of the path with most minutes left, of equal ones the longest, and its tasks.

    `percent` is by task; a task that is not named has not begun.
    """
    best: dict[str, tuple[float, float, str]] = {}
    for task in reversed(graph.topological_order):
        after = max(graph.dependants[task], key=lambda each: best[each][:2], default="")
        left, minutes = best[after][:2] if after else (0.0, 0.0)
        own = graph.minutes[task]
        best[task] = left + own * (1 - percent.get(task, 0.0) / 100), minutes + own, after
    task = max(graph.ids, key=lambda each: best[each][:2])
    left, minutes, _ = best[task]
    path = []
    while task:
        path.append(task)
        task = best[task][2]
    return 100 * (1 - left / minutes), path


def _critical(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The agents with most time left, then with least done; input order where they are equal."""
    count = -(-_CRITICAL_TENTHS * len(rows) // 10)
    return sorted(rows, key=lambda row: (-_minutes_left(row), row["percentComplete"]))[:count]


def _minutes_left(row: Mapping[str, Any]) -> float:
    """What an agent says is left; 0 where it does not say, and of one that is done."""
    return 0.0 if row["status"] == "complete" else row.get("estimatedTimeRemaining") or 0.0


def bottlenecks(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """At most one row for each agent, the worst."""
    under_way = [row for row in rows if row["status"] in ("working", "blocked", "idle")]
    average = fmean(row["percentComplete"] for row in under_way) if under_way else 0.0
    left = [row["estimatedTimeRemaining"] for row in under_way if row.get("estimatedTimeRemaining") is not None]
    mean_left = fmean(left) if left else 0.0
    others_work = sum(row["status"] == "working" for row in rows)
    found = []
    for row in rows:
        reasons = list(_reasons(row, average, mean_left, others_work))
        if reasons:
            impact, reason, suggestion = min(reasons, key=lambda each: _IMPACTS[each[0]])
            found.append(
                {
                    "agentId": row["agentId"],
                    "taskId": row.get("currentTask") or "",
                    "reason": reason,
                    "impact": impact,
                    "suggestion": suggestion,
                }
            )
    return found


def _reasons(row: Mapping[str, Any], average: float, mean_left: float, others_work: int) -> list[tuple[str, str, str]]:
    """(impact, reason, suggestion) of everything that is wrong with an agent."""
    status, percent, remaining = row["status"], row["percentComplete"], row.get("estimatedTimeRemaining")
    if status == "complete":
        return []
    if status == "failed":
        return [("high", "the agent has failed", "look at its error, then retry the task")]
    found = []
    if status == "blocked":
        found.append(("high", "the agent is blocked", "answer its question, or give it what it waits for"))
    if status != "idle" and average > 20 and percent < 0.5 * average:
        gap = average - percent
        impact = "high" if gap > 50 else "medium" if gap > 30 else "low"
        found.append((impact, f"{gap:.0f} points behind the average of {average:.0f} %", "split its task, or help it"))
    if remaining is not None and mean_left and remaining > 2 * mean_left:
        message = f"{remaining:g} minutes left, more than twice the mean of {mean_left:g}"
        found.append(("medium", message, "split its task, or start what follows without it"))
    if status == "idle" and others_work and 10 < average < 90:
        found.append(("low", "the agent is idle while others work", "give it a task"))
    return found


def _completion(rows: Sequence[Mapping[str, Any]], now: datetime) -> str | None:
    """When the last agent is done; None where nobody has an estimate."""
    left = [
        row["estimatedTimeRemaining"]
        for row in rows
        if row["status"] not in ("complete", "failed") and row.get("estimatedTimeRemaining") is not None
    ]
    if not left:
        return None
    try:
        return (now + timedelta(minutes=max(left))).astimezone(UTC).isoformat(timespec="seconds")
    except OverflowError:  # after the year 9999
        return None
