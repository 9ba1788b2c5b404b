"""Time left of an execution that goes on, from its document and what its agents report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from epw.core.execution.task_state import TERMINAL
from epw.core.messages import AgentProgress
from epw.core.plan.graph import TaskGraph
from epw.core.plan.model import Plan
from epw.core.report.model import ExecutionResult, SteeringResult
from epw.core.report.so_far import Eta
from epw.core.report.task_result import TaskResult
from epw.core.schedule.time_left import TaskNow, time_left

_MINUTE = 60_000


def eta_of(
    document: ExecutionResult, plan: Plan, graph: TaskGraph, live: Mapping[str, AgentProgress], now: int
) -> Eta | None:
    """The forecast at a moment (epoch milliseconds).

    None where nothing is left, and where nothing goes on before a person has done something.
    """
    rows = {row["taskId"]: row for row in document["results"]}
    kinds = {task.id: f"{plan.backend_of(task).name} {plan.model_of(task)}" for task in plan.tasks}
    tasks = {
        task_id: _task_now(row, kinds.get(task_id, ""), live.get(task_id), now)
        for task_id, row in rows.items()
        if task_id in graph.dependencies
    }
    if all(each.status == "ended" for each in tasks.values()) or _rests(document):
        return None
    found = time_left(plan, graph, tasks, agents_now(plan, document["steering"]))
    middle, low, high = (round(each * _MINUTE) for each in (found.middle, found.low, found.high))
    estimated = {task.id for task in plan.tasks if "estimated_minutes" in task.model_fields_set}
    left = [task_id for task_id, each in tasks.items() if each.status != "ended"]
    is_guess = not found.measured and estimated.isdisjoint(left)
    eta: Eta = {
        "leftMs": middle,
        "lowMs": low,
        "highMs": high,
        "measured": round(found.measured, 1),
        "tasks": {task_id: round(minutes * _MINUTE) for task_id, minutes in found.tasks.items()},
    }
    return {**eta, "guessed": True} if is_guess else eta


def agents_now(plan: Plan, steering: Sequence[SteeringResult]) -> int:
    """How many tasks may run at once: the plan's number, or what a person has set since."""
    changed = [each["request"]["maxAgents"] for each in steering if "maxAgents" in each["request"]]
    return int(changed[-1]) if changed else plan.max_agents


def _rests(document: ExecutionResult) -> bool:
    """Whether nothing goes on before a person has done something."""
    rows, is_paused = document["results"], document["status"] == "paused"
    asked = [row for row in rows if row.get("waitingFor") == "question"]
    going = [row for row in rows if row["status"] in ("running", "waiting", *(() if is_paused else ("ready",)))]
    return (is_paused or bool(asked)) and len(going) == len(asked)


def _task_now(row: TaskResult, kind: str, live: AgentProgress | None, now: int) -> TaskNow:
    status, waiting = row["status"], row.get("waitingFor")
    if status in TERMINAL:
        ran = status == "succeeded" and row["duration"] > 0 and not row.get("reused")
        took = row["duration"] / _MINUTE if ran else None
        return TaskNow(kind, "ended", took=took, attempts=row["attempts"], afterwards=next(_afterwards(row), None))
    if waiting == "landing":
        return TaskNow(kind, "landing", attempts=row["attempts"])
    if status == "running":
        began = row["startedAt"] if row["attempts"] == 1 and not any(row["waitedMs"].values()) else None
        elapsed = live.elapsed_ms if live is not None else None
        if elapsed is None:
            elapsed = max(0, now - began) if began is not None else 0
        return TaskNow(
            kind,
            "running",
            attempts=row["attempts"],
            elapsed=elapsed / _MINUTE,
            percent=live.percent if live is not None else None,
            reported_left=live.minutes_left if live is not None else None,
        )
    until = row.get("waitingUntil")
    waits = max(0, until - now) / _MINUTE if until is not None else 0.0
    return TaskNow(kind, "open", attempts=row["attempts"], waits=waits)


def _afterwards(row: TaskResult) -> Iterator[float]:
    """Minutes from the end of a task's only attempt until it had landed."""
    began, ended = row["startedAt"], row["finishedAt"]
    if row["status"] == "succeeded" and row["attempts"] == 1 and not row.get("reused") and began and ended:
        waited = sum(cast(Mapping[str, int], row["waitedMs"]).values())
        yield max(0, ended - began - row["duration"] - waited) / _MINUTE
