"""Rules for a spent budget: a person raises it, or the execution ends."""

from __future__ import annotations

import re

from epw.core.amounts import dollars
from epw.core.errors import InvalidRequest
from epw.core.execution.state import ExecutionState
from epw.core.messages import Failure, Question
from epw.core.plan.parts import Budget

STOP = "stop"
NOTICE_SHARE = 0.8
"""Share of a budget at which a notice tells of it."""
_MICRO = 1e-6
_AMOUNT = re.compile(r"\$?\s*(\d+(?:\.\d+)?)\s*(tokens|usd|dollars)?", re.IGNORECASE)


def question(spent: str, budget: Budget) -> Question:
    """Question whether to raise the budget; `spent` says in words what has been used."""
    unit = "dollars" if budget.max_cost_usd is not None else "tokens"
    text = f"{spent}. Answer with a higher budget ({unit}, of the whole execution) to go on, or with {STOP}."
    return Question.cut(text, [STOP])


def share_of(budget: Budget, cost: float, tokens: int) -> float:
    """Share of a budget that dollars and tokens are; the larger of both, 0 where there is no limit."""
    of_cost = cost / budget.max_cost_usd if budget.max_cost_usd else 0.0
    return max(of_cost, tokens / budget.max_tokens if budget.max_tokens else 0.0)


def spending(execution: ExecutionState) -> tuple[float, int]:
    """Dollars and tokens that attempts which have ended have used."""
    usages = [state.outcome.usage for state in execution.tasks.values() if state.outcome and state.outcome.usage]
    return sum(each.cost_usd or 0.0 for each in usages), sum(each.input_tokens + each.output_tokens for each in usages)


def spent_in_words(execution: ExecutionState) -> str | None:
    """What attempts that have ended have spent, where that is as much as the present budget allows; else None."""
    (cost, tokens), budget = spending(execution), execution.budget
    if budget.max_cost_usd is not None and cost + _MICRO > budget.max_cost_usd:
        return f"{dollars(cost)} of a budget of {dollars(budget.max_cost_usd)} are spent"
    if budget.max_tokens is not None and tokens >= budget.max_tokens:
        return f"{tokens} tokens of a budget of {budget.max_tokens} are used"
    return None


def waits_for_model(execution: ExecutionState) -> str | None:
    """The first task that has still to be started and is done by a model."""
    waiting = execution.with_status("ready", "pending", "waiting")
    return next((each for each in waiting if _needs_model(execution, each)), None)


def _needs_model(execution: ExecutionState, task_id: str) -> bool:
    state = execution.tasks[task_id]
    return state.waiting_for not in ("landing", "resources") and execution.plan.backend_of(state.task).driven_by_model


def end(execution: ExecutionState, failure: Failure, now: int) -> None:
    """Spend nothing more: fail tasks that need a model to continue, skip those that have not started."""
    execution.awaits_budget, execution.out_of_budget = False, True
    for task_id, state in execution.tasks.items():
        waits = state.status == "waiting" and state.waiting_for not in ("landing", "resources")
        is_done = state.outcome is not None and state.outcome.kind == "completed"
        was_stopped = state.outcome is not None and state.outcome.kind == "budget-limit"
        needs_model = was_stopped or execution.plan.backend_of(state.task).driven_by_model
        needs_no_model = waits and state.attempt and (is_done or not needs_model)
        if (state.status in ("pending", "ready") or waits) and not needs_no_model:
            if state.attempt:
                execution.give_up(task_id, "failed", failure, now)
            else:
                execution.skip(task_id, "the budget was spent before it could start", now)


def parse_budget(budget: Budget, answer: str) -> Budget | None:
    """Read a higher budget from a person's answer; None: stop. Raises `InvalidRequest` for an answer that is neither.

    An amount is in the unit of the present `budget`, unless it names one.
    """
    text = answer.strip()
    if text.lower() == STOP:
        return None
    found = _AMOUNT.fullmatch(text)
    if found is None:
        raise InvalidRequest(f"{text[:100]!r} is neither an amount (12.50, 2000000 tokens) nor {STOP}")
    amount = float(found[1])
    tokens = (found[2] or "").lower() == "tokens" or budget.max_cost_usd is None
    before = budget.max_tokens if tokens else budget.max_cost_usd
    if before is None or amount <= before:
        limit = f"{before:g}" if before is not None else "no limit"
        raise InvalidRequest(f"{amount:g} is not more than the budget that is spent ({limit}); or answer {STOP}")
    if tokens:
        return budget.model_copy(update={"max_tokens": int(amount)})
    return budget.model_copy(update={"max_cost_usd": amount})
