"""Current details of an execution: the markdown that Temporal's Web UI shows."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from epw.core.amounts import count, few
from epw.core.decisions.conflicts import Conflict
from epw.core.decisions.questions import Asked, Questions, placeholder
from epw.core.execution.budget_policy import spending
from epw.core.execution.delivery import Delivery
from epw.core.execution.state import ExecutionState
from epw.core.execution.steered import Steered
from epw.core.execution.task_state import TaskState
from epw.core.report.waits import wait_of

_MAX_CELL_LENGTH = 200
_MAX_IDS = 8
_MAX_ENTRIES = 5
_MAX_NAMED = 2


def details(
    execution: ExecutionState,
    execution_id: str,
    status: str,
    conflicts: list[Conflict],
    questions: Questions,
    delivery: Delivery | None,
) -> str:
    """How far it is, who waits for what, the command that answers each, failures, steering, and what leads on."""
    commands = _Commands(execution_id)
    done = execution.counts["succeeded"]
    parts = [
        f"**{_phase(execution, status)}**",
        f"{done} of {count(len(execution.tasks), 'task')} succeeded",
        count(execution.max_agents, "agent"),
        execution.plan.strategy,
        *_spent(execution),
    ]
    lines = [" · ".join(parts)]
    if any(execution.plan.backend_of(task).simulated for task in execution.plan.tasks[:1]):
        lines.append("\n_simulated agents: nothing real was run_")
    if status == "paused" and not execution.stopping:
        lines.append(f"\nNothing starts until {commands('resume')}")
    lines += ["", "| status | tasks | |", "|---|---|---|", *_by_status(execution)]
    by_conflict = {id(each.asked): each for each in conflicts if each.waits}
    for asked in questions.open:
        lines += _question(asked, by_conflict.get(id(asked)), commands)
    for conflict in sorted(conflicts, key=lambda each: not _is_open(each))[:_MAX_ENTRIES]:
        lines.append(f"\n**Conflict {conflict.id}** {_cell(conflict.found.description)} → {_state(conflict)}")
    for task_id in execution.with_status("failed", "conflicted")[:_MAX_ENTRIES]:
        error = execution.tasks[task_id].error or {}
        said = f"{error.get('type')}: {_cell(str(error.get('message', '')))}"
        lines.append(f"\n**{_cell(task_id)}** {said} → {commands('logs', task_id)}")
    lines += _steering(execution.steering)
    if delivery is not None:
        lines += _delivery_lines(delivery)
    lines += _next(execution, status, delivery, commands)
    return "\n".join(lines)


class _Commands:
    """Commands on one execution, as markdown."""

    def __init__(self, execution_id: str) -> None:
        self._id = execution_id

    def __call__(self, name: str, *words: str) -> str:
        return _code(shlex.join(["epw", name, self._id, *words]))


def _phase(execution: ExecutionState, status: str) -> str:
    """The status, and while that stays the same, what goes on."""
    if status not in ("running", "paused"):
        return status
    if execution.finished:
        return f"{status}: every task has ended, the whole is checked and delivered, or undone"
    if execution.stopping:
        return f"{status}, stopping: agents are being stopped"
    is_waiting = execution.waits["question"] and not execution.scheduler.running and not execution.to_land
    return f"{status}, waits for a person" if is_waiting else status


def _spent(execution: ExecutionState) -> Iterator[str]:
    """What ended attempts have cost, against the budget where there is one."""
    (cost, tokens), budget = spending(execution), execution.budget
    if cost or budget.max_cost_usd is not None:
        yield f"{cost:.2f}{f' of {budget.max_cost_usd:g}' if budget.max_cost_usd is not None else ''} USD"
    if budget.max_tokens is not None:
        yield f"{tokens} of {budget.max_tokens} tokens"


def _by_status(execution: ExecutionState) -> Iterator[str]:
    """A row for each status of tasks, with the first of them and whom each waits for."""
    rows: dict[str, list[TaskState]] = {}
    for state in execution.tasks.values():
        name = f"waiting: {state.waiting_for}" if state.waiting_for else state.status
        rows.setdefault(name, []).append(state)
    for name, states in rows.items():
        first = ", ".join(_task(state, execution) for state in states[:_MAX_IDS])
        yield f"| {name} | {len(states)} | {first}{' …' if len(states) > _MAX_IDS else ''} |"


def _task(state: TaskState, execution: ExecutionState) -> str:
    """A task with who does it, or whose end it waits for."""
    task_id = _cell(state.task.id)
    if state.status == "running":
        return f"{task_id} ({state.agent_id}, attempt {state.attempt})"
    if state.status == "pending":
        before = execution.graph.dependencies[state.task.id]
        return _after(task_id, [each for each in before if execution.tasks[each].status != "succeeded"])
    return _after(task_id, wait_of(state, execution).get("waitingOn", ()))


def _after(task_id: str, others: Sequence[str]) -> str:
    if not others:
        return task_id
    return f"{task_id} (after {few(map(_cell, others), _MAX_NAMED)})"


def _question(asked: Asked, conflict: Conflict | None, commands: _Commands) -> Iterator[str]:
    """What a person is asked, and the command that answers it."""
    options = asked.question.options
    choices = f" ({_cell(' | '.join(options))})" if options else ""
    if conflict is not None:
        command = commands("resolve", conflict.id, "CHOICE")
    else:
        command = commands("answer", asked.id, placeholder(options))
    yield f"\n**Question {asked.id}** ({_cell(asked.task_id)}): {_cell(asked.question.text)}"
    yield f"\nanswer with: {command}{choices}"


def _is_open(conflict: Conflict) -> bool:
    return not conflict.resolution and not conflict.is_advice


def _state(conflict: Conflict) -> str:
    if not _is_open(conflict):
        return conflict.resolution or "advice"
    return "open: resolve it" if conflict.waits else f"open: {conflict.step or 'found'}"


def _steering(entries: Sequence[Steered]) -> Iterator[str]:
    """What people have changed, the last first."""
    if not entries:
        return
    more = f", the last {_MAX_ENTRIES}" if len(entries) > _MAX_ENTRIES else ""
    yield f"\n**Steering** ({len(entries)}{more})\n"
    for entry in entries[: -_MAX_ENTRIES - 1 : -1]:
        request = " ".join(f"{name}={_flat(value)}" for name, value in entry.request.items())
        by = f"{_cell(entry.by)} · " if entry.by else ""
        moment = datetime.fromtimestamp(entry.at / 1000, UTC)
        yield f"- {moment:%H:%M} UTC · {by}{_cell(f'{entry.action} {request}')} → {_cell(entry.outcome)}"


def _flat(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _delivery_lines(delivery: Delivery) -> list[str]:
    if delivery.refused_because:
        return [f"\nNot delivered: {_cell(delivery.refused_because)}"]
    branch = [f"\nDelivered: branch {_code(delivery.branch)}"] if delivery.branch else []
    applied = delivery.mode == "apply" and delivery.head != delivery.base
    return branch + (["\nDelivered: into the work tree"] if applied else [])


def _next(execution: ExecutionState, status: str, delivery: Delivery | None, commands: _Commands) -> Iterator[str]:
    """Commands that lead on."""
    if status in ("running", "paused"):
        yield f"\nfollow it, and steer it: {commands('watch')}"
        return
    found = [commands("status")]
    if delivery is not None and delivery.branch and not delivery.refused_because:
        found += [commands("diff"), commands("merge")]
    if delivery is not None and delivery.finish_with:
        found += [_code(each) for each in delivery.finish_with[:_MAX_ENTRIES]]
    if status != "succeeded":
        found += [commands("salvage")] if execution.plan.workspace is not None else []
        found.append(commands("retry"))
    yield f"\nnext: {' · '.join(found)}"


def _code(command: str) -> str:
    """A command as markdown, to be copied."""
    return f"`{' '.join(command.split()).replace('`', chr(39))[:_MAX_CELL_LENGTH]}`"


def _cell(text: str) -> str:
    """Text of unknown origin, safe in a markdown table; the Web UI takes what stands between dollars for a formula."""
    flat = " ".join(text.split())[:_MAX_CELL_LENGTH]
    return flat.replace("|", "\\|").replace("`", "'").replace("<", "&lt;").replace("$", "&#36;")
