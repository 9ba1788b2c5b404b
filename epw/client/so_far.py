"""An execution that goes on, as far as it is: time, percent of the whole, cost; measured, or None."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from temporalio.client import WorkflowExecutionDescription

from activities.system.server_time import server_ms, server_time
from epw.core.errors import InvalidPlan
from epw.core.execution.task_state import TERMINAL
from epw.core.messages import AgentProgress
from epw.core.plan.graph import TaskGraph
from epw.core.plan.model import DEFAULT_MINUTES
from epw.core.plan.validate import read_plan
from epw.core.report.eta import eta_of
from epw.core.report.model import ExecutionResult
from epw.core.report.so_far import Eta, SoFar
from epw.core.report.spending import total_in_doubt
from epw.core.report.task_result import InDoubt


def estimates_of(plan: Mapping[str, Any]) -> dict[str, float]:
    """Estimated minutes by task, of a plan document as it was written."""
    return {
        task["id"]: float(task.get("estimatedMinutes", task.get("estimated_minutes", DEFAULT_MINUTES)))
        for task in plan["tasks"]
    }


def percent_of(statuses: Mapping[str, str], live: Mapping[str, AgentProgress], minutes: Mapping[str, float]) -> float:
    """Percent of the whole, by estimates: of ended tasks all, of running ones what their agents report."""
    done = 0.0
    for task_id, status in statuses.items():
        reported = live[task_id].percent if task_id in live else None
        share = 1.0 if status in TERMINAL else (reported or 0.0) / 100
        done += share * minutes.get(task_id, DEFAULT_MINUTES)
    total = sum(minutes.get(task_id, DEFAULT_MINUTES) for task_id in statuses)
    return round(100 * done / total, 1) if total else 0.0


def so_far(
    document: ExecutionResult,
    described: WorkflowExecutionDescription,
    live: Mapping[str, AgentProgress],
    plan: Mapping[str, Any],
) -> SoFar:
    """Numbers of an execution that goes on, and when it probably ends."""
    found = numbers_so_far(document, described.start_time.timestamp(), live, estimates_of(plan))
    if (eta := _eta(document, live, plan)) is not None:
        found["eta"] = eta
    return found


def numbers_so_far(
    document: ExecutionResult, started: float, live: Mapping[str, AgentProgress], minutes: Mapping[str, float]
) -> SoFar:
    """Numbers of an execution that started at a time (epoch seconds), whose tasks are estimated as `minutes` says."""
    statuses = {row["taskId"]: row["status"] for row in document["results"]}
    costs, tokens, known, doubts = 0.0, 0, False, list[InDoubt]()
    for row in document["results"]:
        used, running = row["usage"], live.get(row["taskId"])
        # A heartbeat has the task's sum over all of its attempts.
        cost = max(used["costUSD"] or 0.0, (running.cost_usd if running else None) or 0.0)
        tokens += max(used["inputTokens"] + used["outputTokens"], (running.tokens if running else None) or 0)
        costs, known = costs + cost, known or cost > 0
        if "inDoubt" in used:
            doubts.append(used["inDoubt"])
        elif running is not None and running.in_doubt is not None:
            doubts.append(cast(InDoubt, running.in_doubt.model_dump(by_alias=True)))
    found: SoFar = {
        "elapsedMs": max(0, round((server_time() - started) * 1000)),
        "percent": percent_of(statuses, live, minutes),
        "costUSD": round(costs, 6) if known else None,
        "tokens": tokens or None,
    }
    if doubts:
        found["inDoubt"] = total_in_doubt(doubts)
    if asked := [row["taskId"] for row in document["results"] if row.get("waitingFor") == "question"]:
        found["waitsForPerson"] = asked
    return found


def _eta(document: ExecutionResult, live: Mapping[str, AgentProgress], plan: Mapping[str, Any]) -> Eta | None:
    try:
        known = read_plan(plan, runnable=False)
    except InvalidPlan:
        # Of another version of the program.
        return None
    return eta_of(document, known, TaskGraph.of_plan(known), live, server_ms())
