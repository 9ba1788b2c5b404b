"""Current details of an execution: the markdown that Temporal's Web UI shows."""

from __future__ import annotations

from epw.core.decisions.conflicts import Conflict
from epw.core.decisions.questions import Questions, placeholder
from epw.core.execution.delivery import Delivery
from epw.core.execution.state import ExecutionState

_MAX_CELL_LENGTH = 200
_MAX_IDS = 8
_MAX_ENTRIES = 5


def details(
    execution: ExecutionState,
    execution_id: str,
    status: str,
    conflicts: list[Conflict],
    questions: Questions,
    delivery: Delivery | None,
) -> str:
    """Tasks by status, open questions, the first conflicts and failures, and the delivery."""
    done = execution.counts["succeeded"]
    lines = [f"**{status}** · {done} of {len(execution.tasks)} tasks succeeded · {execution.plan.strategy}"]
    if any(execution.plan.backend_of(task).simulated for task in execution.plan.tasks[:1]):
        lines.append("_simulated agents: nothing real was run_")
    lines.append("")
    lines.append("| status | tasks | |")
    lines.append("|---|---|---|")
    by_status: dict[str, list[str]] = {}
    for task_id, state in execution.tasks.items():
        name = f"waiting: {state.waiting_for}" if state.waiting_for else state.status
        by_status.setdefault(name, []).append(task_id)
    for name, ids in by_status.items():
        first = ", ".join(_cell(task_id) for task_id in ids[:_MAX_IDS]) + (" …" if len(ids) > _MAX_IDS else "")
        lines.append(f"| {name} | {len(ids)} | {first} |")
    for asked in questions.open:
        lines.append(f"\n**Question {asked.id}** ({_cell(asked.task_id)}): {_cell(asked.question.text)}")
        options = asked.question.options
        choices = f" ({_cell(' | '.join(options))})" if options else ""
        lines.append(f"\nanswer with: `epw answer {_cell(execution_id)} {asked.id} {placeholder(options)}`{choices}")
    for conflict in conflicts[:_MAX_ENTRIES]:
        description = _cell(conflict.found.description)
        lines.append(f"\n**Conflict {conflict.id}** {description} → {_state(conflict)}")
    for task_id in execution.with_status("failed", "conflicted")[:_MAX_ENTRIES]:
        error = execution.tasks[task_id].error or {}
        lines.append(f"\n**{_cell(task_id)}** {error.get('type')}: {_cell(str(error.get('message', '')))}")
    if delivery is not None:
        lines += _delivery_lines(delivery)
    return "\n".join(lines)


def _state(conflict: Conflict) -> str:
    if conflict.resolution or conflict.is_advice:
        return conflict.resolution or "advice"
    return "open: resolve it" if conflict.waits else f"open: {conflict.step or 'found'}"


def _delivery_lines(delivery: Delivery) -> list[str]:
    if delivery.refused_because:
        return [f"\nNot delivered: {_cell(delivery.refused_because)}"]
    branch = [f"\nDelivered: branch `{delivery.branch}`"] if delivery.branch else []
    applied = delivery.mode == "apply" and delivery.head != delivery.base
    return branch + (["\nDelivered: into the work tree"] if applied else [])


def _cell(text: str) -> str:
    """Text of unknown origin, safe in a markdown table."""
    flat = " ".join(text.split()).replace("|", "\\|").replace("`", "'").replace("<", "&lt;")
    return flat[:_MAX_CELL_LENGTH]
