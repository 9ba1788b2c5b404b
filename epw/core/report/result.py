"""What an execution shows of itself: rows, progress, the result document, the Web UI's current details."""

from __future__ import annotations

import json
from typing import Any

from epw.core.decisions.conflicts import Conflict
from epw.core.decisions.questions import Questions
from epw.core.execution.delivery import Delivery
from epw.core.execution.state import ExecutionState
from epw.core.execution.task_state import TaskState
from epw.core.report.metrics import metrics

MAX_ROWS_IN_HISTORY = 500
_MAX_INTENTS = 5
_MAX_INTENT_LENGTH = 200
_MAX_BYTES_IN_HISTORY = 1_000_000
_WAITS = {"question": "question", "usage-limit": "usageLimit", "rate-limit": "rateLimit", "landing": "landing"}


def row(state: TaskState, execution: ExecutionState) -> dict[str, Any]:
    """A task as the history keeps it: no diff, no log; `changes` are added from the hub by who shows it."""
    outcome = state.outcome
    compact = {
        "agentId": state.agent_id,
        "taskId": state.task.id,
        "success": state.status == "succeeded",
        "status": state.status,
        "waitingFor": state.waiting_for,
        "landed": state.landed,
        "attempts": state.attempt,
        "startedAt": state.started_at,
        "finishedAt": state.finished_at,
        "duration": state.duration_ms,
        "commit": state.commit,
        "summary": state.summary,
        "error": state.error,
        "sandbox": outcome.sandbox if outcome else None,
        "peakMemoryMB": outcome.peak_memory_mb if outcome else None,
        "cpuSeconds": outcome.cpu_seconds if outcome else None,
        "throttledSeconds": outcome.throttled_seconds if outcome else None,
        "processes": outcome.processes if outcome else None,
        "writtenMB": outcome.written_mb if outcome else None,
        "warnings": outcome.warnings if outcome else None,
        "leftBehind": [each.model_dump(by_alias=True) for each in outcome.left_behind] if outcome else None,
        "usage": outcome.usage.model_dump(by_alias=True) if outcome and outcome.usage else None,
        "waitedMs": {_WAITS.get(kind, kind): waited for kind, waited in state.waited.items() if waited},
        "notEnforced": execution.plan.not_enforced(state.task),
        "reused": state.task.id in execution.reused,
        "simulated": bool(outcome and outcome.simulated) or execution.plan.agent_of(state.task) == "simulated",
    }
    always = ("agentId", "success", "landed", "error", "commit")
    return {key: value for key, value in compact.items() if value or key in always}


def progress(execution: ExecutionState, status: str) -> dict[str, Any]:
    tasks = [
        {
            "taskId": state.task.id,
            "status": state.status,
            "agentId": state.agent_id,
            "attempts": state.attempt,
            "waitingFor": state.waiting_for,
        }
        for state in execution.tasks.values()
    ]
    counts = {name: count for name, count in execution.counts.items() if count}
    return {"status": status, "counts": counts, "tasks": tasks}


def graph(execution: ExecutionState) -> dict[str, Any]:
    """The graph in the seed's form, with each task's status."""
    nodes = {
        task_id: {"id": task_id, "task": state.task.description[:200], "level": execution.graph.level[task_id]}
        | {"status": state.status}
        for task_id, state in execution.tasks.items()
    }
    edges = [{"from": before, "to": after, "type": "explicit"} for before, after in execution.graph.edges]
    return {"nodes": nodes, "edges": edges, "criticalPath": execution.graph.critical_path}


def document(
    execution: ExecutionState,
    *,
    status: str,
    execution_id: str,
    conflicts: list[Conflict],
    questions: Questions,
    delivery: Delivery | None,
    elapsed_ms: int,
    landing_order: list[str],
    message: str | None = None,
) -> dict[str, Any]:
    """The result of CONTRACT section 8, compact; what the hub holds is added by who shows it."""
    rows = [row(state, execution) for state in execution.tasks.values()]
    blocking = [conflict for conflict in conflicts if not conflict.is_advice]
    return {
        "success": status == "succeeded",
        "status": status,
        "executionId": execution_id,
        "results": rows,
        "conflicts": [conflict_document(execution, conflict) for conflict in conflicts],
        "questions": [asked.document() for asked in questions],
        "metrics": metrics(execution, elapsed_ms, len(blocking)),
        "delivery": delivery.model_dump(by_alias=True) if delivery else None,
        "landingOrder": landing_order,
        **({"error": {"type": status, "message": message}} if message else {}),
    }


def conflict_document(execution: ExecutionState, conflict: Conflict) -> dict[str, Any]:
    """A conflict, and what each of its tasks was to do."""
    sides = [execution.tasks[task_id].side(_MAX_INTENT_LENGTH) for task_id in conflict.found.tasks[:_MAX_INTENTS]]
    return {**conflict.document(), "intents": [side.model_dump(by_alias=True) for side in sides]}


def for_history(found: dict[str, Any]) -> dict[str, Any]:
    """The document as the history can take it: a result above 2 MB would never end the workflow."""
    size = len(json.dumps(found, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    many = len(found["results"]) > MAX_ROWS_IN_HISTORY
    if size > _MAX_BYTES_IN_HISTORY:
        return {**found, "results": [], "conflicts": [], "questions": [], "landingOrder": [], "truncated": True}
    return {**found, "results": [], "truncated": True} if many else found


def details(
    execution: ExecutionState,
    execution_id: str,
    status: str,
    conflicts: list[Conflict],
    questions: Questions,
    delivery: Delivery | None,
) -> str:
    """Markdown for the Web UI: the state, clear from it alone."""
    done = execution.counts["succeeded"]
    lines = [f"**{status}** · {done} of {len(execution.tasks)} tasks succeeded · {execution.plan.strategy}"]
    if any(execution.plan.agent_of(task) == "simulated" for task in execution.plan.tasks[:1]):
        lines.append("_simulated agents: nothing real was run_")
    lines.append("")
    lines.append("| status | tasks | |")
    lines.append("|---|---|---|")
    by_status: dict[str, list[str]] = {}
    for task_id, state in execution.tasks.items():
        name = f"waiting: {state.waiting_for}" if state.waiting_for else state.status
        by_status.setdefault(name, []).append(task_id)
    for name, ids in by_status.items():
        shown = ", ".join(_cell(task_id) for task_id in ids[:8]) + (" …" if len(ids) > 8 else "")
        lines.append(f"| {name} | {len(ids)} | {shown} |")
    for asked in questions.open:
        lines.append(f"\n**Question {asked.id}** ({_cell(asked.task_id)}): {_cell(asked.question.text)}")
        lines.append(f"\nanswer with: `epw answer {_cell(execution_id)} {asked.id} TEXT`")
    for conflict in conflicts[:5]:
        told = _cell(conflict.found.description)
        lines.append(f"\n**Conflict {conflict.id}** {told} → {conflict.resolution or 'advice'}")
    for task_id in execution.with_status("failed", "conflicted")[:5]:
        error = execution.tasks[task_id].error or {}
        lines.append(f"\n**{_cell(task_id)}** {error.get('type')}: {_cell(str(error.get('message', '')))}")
    if delivery and delivery.branch and not delivery.refused_because:
        lines.append(f"\nDelivered: branch `{delivery.branch}`")
    if delivery and delivery.mode == "apply" and delivery.head != delivery.base and not delivery.refused_because:
        lines.append("\nDelivered: into the work tree")
    if delivery and delivery.refused_because:
        lines.append(f"\nNot delivered: {_cell(delivery.refused_because)}")
    return "\n".join(lines)


def _cell(text: str) -> str:
    """Text of unknown origin, safe in a markdown table."""
    flat = " ".join(text.split()).replace("|", "\\|").replace("`", "'").replace("<", "&lt;")
    return flat[:200]
