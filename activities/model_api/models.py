"""Default model of a plan, and check that every model has a price where the budget is in dollars."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import get_args

from anthropic.types.model_param import ModelParam

from activities.model_api.prices import Prices
from activities.state.state_directory import StateDirectory
from epw.core.errors import InvalidPlan, Problem
from epw.core.plan.model import Plan

_SONNET = re.compile(r"claude-sonnet-(\d{1,2})(?:-(\d{1,2}))?")


def newest_sonnet() -> str:
    """The newest Sonnet among the model names of the SDK."""
    names: list[str] = [name for each in get_args(ModelParam) for name in get_args(each)]
    found = [(int(match[1]), int(match[2] or 0), name) for name in names if (match := _SONNET.fullmatch(name))]
    return max(found)[2]


def resolve_model(plan: Plan, state: StateDirectory) -> str:
    """The model of tasks that name none; raises `InvalidPlan` for a model without a price under `maxCostUSD`."""
    default = plan.model or newest_sonnet()
    problems = list(_problems(plan, default, Prices.read(state)))
    if problems:
        raise InvalidPlan(problems)
    return default


def _problems(plan: Plan, default: str, prices: Prices) -> Iterator[Problem]:
    if plan.constraints.budget is None or plan.constraints.budget.max_cost_usd is None:
        return
    for index, task in enumerate(plan.tasks):
        model = plan.model_of(task) or default
        if plan.backend_of(task).calls_account and prices.of(model) is None:
            path = f"tasks[{index}].model" if task.model else "model"
            message = (
                f"{model} has no known price, so maxCostUSD cannot be kept; add it to prices.json, or use maxTokens"
            )
            yield Problem(path, message)
