"""What becomes of an execution whose budget is spent: a person raises it, or the execution ends. Pure."""

from __future__ import annotations

import re

from workflows.errors import InvalidRequest
from workflows.messages import Question
from workflows.plan import Budget

STOP = "stop"
_AMOUNT = re.compile(r"\$?\s*(\d+(?:\.\d+)?)\s*(tokens|usd|dollars)?", re.IGNORECASE)


def question(spent: str, budget: Budget) -> Question:
    """Whether to go on; `spent`: what has been used, in words."""
    unit = "dollars" if budget.max_cost_usd is not None else "tokens"
    text = f"{spent}. Answer with a higher budget ({unit}, of the whole execution) to go on, or with {STOP}."
    return Question.cut(text, [STOP])


def raised(budget: Budget, answer: str) -> Budget | None:
    """The budget that an answer gives; null: stop. Raises `InvalidRequest` for one that is neither."""
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
