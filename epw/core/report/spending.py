"""What models have cost: sums over tasks, and what is in doubt, in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NotRequired, cast

from typing_extensions import TypedDict

from epw.core.amounts import count, dollars
from epw.core.messages import Usage
from epw.core.report.task_result import InDoubt, ModelUsage


class Spent(TypedDict):
    """Sum over tasks: dollars that are known, and what may come on top."""

    costUSD: float | None
    inDoubt: NotRequired[InDoubt]


def model_usage(usage: Usage) -> ModelUsage:
    """A task's usage as its row has it."""
    found = usage.model_dump(by_alias=True)
    if usage.in_doubt is None:
        del found["inDoubt"]
    return cast(ModelUsage, found)


def has_used(usage: ModelUsage) -> bool:
    """Whether a task has used a model, as far as anybody has told."""
    return bool(usage["requests"] or usage["inputTokens"] or usage["costUSD"] or "inDoubt" in usage)


def spent(usages: Iterable[Usage | None]) -> Spent:
    """Sum over tasks; None: a task without a model."""
    return total(model_usage(each) for each in usages if each is not None)


def total(usages: Iterable[ModelUsage]) -> Spent:
    """Sum over the rows of tasks that may have called a model; `costUSD` is None where a price is unknown."""
    known = list(usages)
    costs = [each["costUSD"] for each in known]
    found: Spent = {"costUSD": sum(each for each in costs if each is not None) if costs and None not in costs else None}
    doubts = [each["inDoubt"] for each in known if "inDoubt" in each]
    if doubts:
        found["inDoubt"] = total_in_doubt(doubts)
    return found


def known_cost(usages: Iterable[ModelUsage]) -> str:
    """`$0.0246`; where some calls have no known price, what is known: `$0.0246 known, the rest without a price`."""
    costs = [each["costUSD"] for each in usages]
    known = sum(each for each in costs if each is not None)
    if None not in costs:
        return dollars(known)
    return f"{dollars(known)} known, the rest without a price" if known else "unknown: a model without a price"


def total_in_doubt(doubts: Iterable[InDoubt]) -> InDoubt:
    """Sum of what is in doubt; `costUSD` is None where a price is unknown."""
    known = list(doubts)
    costs = [each["costUSD"] for each in known]
    return {
        "calls": sum(each["calls"] for each in known),
        "tokens": sum(each["tokens"] for each in known),
        "costUSD": None if None in costs else round(sum(each for each in costs if each is not None), 6),
    }


def in_words(doubt: InDoubt) -> str:
    """`up to $0.19 in doubt: 3 calls whose answer never came`; rounded up, since it is a bound."""
    cost, calls = doubt["costUSD"], doubt["calls"]
    most = f"{doubt['tokens']} tokens" if cost is None else dollars(cost)
    return f"up to {most} in doubt: {count(calls, 'call')} whose answer never came"
