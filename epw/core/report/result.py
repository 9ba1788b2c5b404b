"""Result document, progress and graph of an execution, made from its state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from epw.core.decisions.conflicts import Conflict
from epw.core.decisions.questions import Questions
from epw.core.execution.delivery import Delivery
from epw.core.execution.state import ExecutionState
from epw.core.execution.task_state import TaskState
from epw.core.failures import UNAVAILABLE
from epw.core.landing import Verified
from epw.core.messages import TaskOutcome
from epw.core.report.history import empty_row, short_row, task_error
from epw.core.report.measured import Metrics
from epw.core.report.metrics import metrics
from epw.core.report.spending import model_usage
from epw.core.report.task_result import LeftBehind, TaskResult, Waits
from epw.core.report.waits import agent_of, wait_of

_MAX_INTENTS = 5
_MAX_INTENT_LENGTH = 200
_MAX_DESCRIPTION_IN_GRAPH = 200
_WAITS = {"usage-limit": "usageLimit", "rate-limit": "rateLimit"}
"""Keys of `waitedMs` that differ from what a task waits for."""


def row(state: TaskState, execution: ExecutionState) -> TaskResult:
    """The row of a task, without what its commit holds."""
    task_id = state.task.id
    found = empty_row(task_id)
    found["status"] = state.status
    found["success"] = state.status == "succeeded"
    found["agentId"] = agent_of(state)
    found["landed"] = state.landed
    found["attempts"] = state.attempts
    found["startedAt"] = state.begun_at
    found["finishedAt"] = state.finished_at
    found["duration"] = state.duration_ms
    found["commit"] = state.commit
    found["summary"] = state.summary
    if state.error is not None:
        found["error"] = task_error(task_id, **state.error)
    if state.waited:
        waited = {_WAITS.get(kind, kind): ms for kind, ms in state.waited.items()}
        found["waitedMs"] = cast(Waits, {**found["waitedMs"], **waited})
    if state.outcome is not None:
        _add_outcome(found, state.outcome)
    found.update(cast(TaskResult, wait_of(state, execution)))
    has_told = state.outcome is not None and state.outcome.usage is not None
    found["notEnforced"] = execution.plan.not_enforced(state.task, tells_spending=has_told)
    found["reused"] = task_id in execution.reused
    found["retries"] = state.retries
    if execution.plan.backend_of(state.task).simulated:
        found["simulated"] = True
    return found


def _add_outcome(found: TaskResult, outcome: TaskOutcome) -> None:
    """Add what the last attempt reported."""
    found["sandbox"] = outcome.sandbox
    found["peakMemoryMB"] = outcome.peak_memory_mb
    found["cpuSeconds"] = outcome.cpu_seconds
    found["throttledSeconds"] = outcome.throttled_seconds
    found["processes"] = outcome.processes
    found["writtenMB"] = outcome.written_mb
    found["warnings"] = outcome.warnings
    found["simulated"] = outcome.simulated
    found["leftBehind"] = [cast(LeftBehind, each.model_dump(by_alias=True)) for each in outcome.left_behind]
    if outcome.usage is not None:
        found["usage"] = model_usage(outcome.usage)


def document(
    execution: ExecutionState,
    *,
    status: str,
    execution_id: str,
    conflicts: list[Conflict],
    questions: Questions,
    delivery: Delivery | None,
    measured: Metrics,
    landing_order: list[str],
    message: str | None = None,
    lacks: bool = False,
    verified: Verified | None = None,
    rows: slice = slice(None),
) -> dict[str, Any]:
    """The result in its short form (`epw.core.report.history`).

    `measured`: see `measured`. `lacks`: whether nothing began, since the environment lacks something. `rows`: which of
    the tasks, in plan order.
    """
    tasks: Iterable[TaskState] = list(execution.tasks.values())[rows]
    return {
        "success": status == "succeeded",
        "status": status,
        "executionId": execution_id,
        "results": [short_row(row(state, execution)) for state in tasks],
        "conflicts": [conflict_document(execution, conflict) for conflict in conflicts],
        "questions": [asked.document() for asked in questions],
        "steering": [each.document() for each in execution.steering],
        **({"added": added(execution)} if execution.added else {}),
        "metrics": measured,
        "delivery": _delivery(delivery) if delivery else None,
        "landingOrder": landing_order,
        **({"verification": _verification(execution.plan.verify or "", verified)} if verified else {}),
        **({"error": {"type": UNAVAILABLE.type if lacks else status, "message": message}} if message else {}),
    }


def measured(execution: ExecutionState, elapsed_ms: int, conflicts: list[Conflict]) -> Metrics:
    """The metrics; they cost a pass over all tasks, and a schedule of their measured durations."""
    blocking = sum(not conflict.is_advice for conflict in conflicts)
    return metrics(execution, elapsed_ms, blocking, len(conflicts) - blocking)


def _delivery(delivery: Delivery) -> dict[str, Any]:
    found = delivery.model_dump(by_alias=True)
    return {key: value for key, value in found.items() if key != "pullRequest" or value is not None}


def added(execution: ExecutionState) -> list[dict[str, Any]]:
    """The tasks that have joined since the execution's start, as in a plan."""
    return [execution.tasks[each].task.model_dump(by_alias=True, exclude_unset=True) for each in execution.added]


def _verification(command: str, verified: Verified) -> dict[str, Any]:
    """What the plan's `verify` said of the final head."""
    return {
        "command": command,
        "passed": verified.green,
        "exitCode": verified.exit_code,
        "durationMs": verified.duration_ms,
    }


def conflict_document(execution: ExecutionState, conflict: Conflict) -> dict[str, Any]:
    """A conflict without its hunks, with what each of its tasks was asked to do."""
    sides = [execution.tasks[task_id].side(_MAX_INTENT_LENGTH) for task_id in conflict.found.tasks[:_MAX_INTENTS]]
    return {**conflict.document(), "intents": [side.model_dump(by_alias=True) for side in sides]}


def progress(execution: ExecutionState, status: str) -> dict[str, Any]:
    """Answer of the query `progress`."""
    tasks = [
        {
            "taskId": state.task.id,
            "status": state.status,
            "agentId": agent_of(state),
            "attempts": state.attempts,
            "waitingFor": None,
            **wait_of(state, execution),
        }
        for state in execution.tasks.values()
    ]
    counts = {name: count for name, count in execution.counts.items() if count}
    steering = [each.document() for each in execution.steering]
    return {"status": status, "counts": counts, "tasks": tasks, **({"steering": steering} if steering else {})}


def graph(execution: ExecutionState) -> dict[str, Any]:
    """Answer of the query `graph`: nodes with each task's status, edges, critical path."""
    nodes = {
        task_id: {
            "id": task_id,
            "task": state.task.description[:_MAX_DESCRIPTION_IN_GRAPH],
            "level": execution.graph.level[task_id],
            "status": state.status,
        }
        for task_id, state in execution.tasks.items()
    }
    edges = [{"from": before, "to": after, "type": "explicit"} for before, after in execution.graph.edges]
    return {"nodes": nodes, "edges": edges, "criticalPath": execution.graph.critical_path}
