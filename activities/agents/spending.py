"""Usage that a program reports of itself, counted into the task's usage and the execution's budget."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from activities.agents.context import AgentContext
from activities.agents.reporter import Reporter
from activities.model_api.budget_ledger import BudgetLedger
from epw.core.messages import Usage
from epw.core.presets.events import Used
from epw.core.report.spending import has_used, model_usage

_MOST = 1e12
"""What is more than this is no amount."""


class Spending:
    """Tokens and dollars of one start of a program, on top of those before it.

    A call that exceeds the budget is over when the program tells of it: then nothing more is started.
    """

    def __init__(self, context: AgentContext, reporter: Reporter) -> None:
        self._reporter = reporter
        self._task_id = context.task.id
        self._parts: dict[str | None, Used] = {}
        self._counted = Usage(cost_usd=0.0)
        """Usage since this start of the program, as recorded in the ledger."""
        self._ledger = BudgetLedger(context.ledger, context.budget)
        self._has_budget = context.budget.max_cost_usd is not None or context.budget.max_tokens is not None
        before = self._ledger.usage(self._task_id)
        self._was_priced = before.cost_usd is not None
        if has_used(model_usage(before)):
            reporter.used(before)

    def over_budget(self) -> str | None:
        """Amounts spent, in words, if the execution's budget is used up; else None."""
        return self._ledger.exceeded() if self._has_budget else None

    def count(self, used: Used) -> None:
        """Take over tokens and dollars that the program tells of."""
        if used.key is None:
            self._parts.clear()
        self._parts[used.key] = used
        parts, before = self._parts.values(), self._counted
        costs = [part.cost for part in parts if part.cost is not None]
        self._counted = Usage(
            requests=sum(part.requests for part in parts),
            input_tokens=sum(part.input_tokens for part in parts),
            output_tokens=sum(part.output_tokens for part in parts),
            cost_usd=sum(costs),
        )
        more = {name: value - (getattr(before, name) or 0) for name, value in self._counted if value is not None}
        # A first part without a cost may be followed by a sum that has one.
        is_priced = bool(costs) and self._was_priced
        self._reporter.used(self._ledger.add(self._task_id, Usage(**more), is_priced=is_priced))


class Reported:
    """Tokens and dollars so far that a command writes into its progress; the newest of each counts."""

    def __init__(self, context: AgentContext, reporter: Reporter) -> None:
        self._context = context
        self._reporter = reporter
        self._spending: Spending | None = None
        """Made by the first report: most commands use no model."""
        self._tokens = 0
        self._cost: float | None = None

    def take(self, progress: Mapping[str, Any]) -> None:
        """Count what a report says of them; what is no amount is ignored."""
        tokens, cost = _amount(progress.get("tokens")), _amount(progress.get("costUSD"))
        if tokens is None and cost is None:
            return
        self._spending = self._spending or Spending(self._context, self._reporter)
        self._tokens = self._tokens if tokens is None else int(tokens)
        self._cost = self._cost if cost is None else cost
        self._spending.count(Used(self._tokens, 0, self._cost, requests=0))


def spent_by_commands(context: AgentContext) -> str | None:
    """Amounts spent, in words, where the budget is used up and commands spend of it, as they have told; else None."""
    plan, budget = context.plan, context.budget
    if budget.max_cost_usd is None and budget.max_tokens is None:
        return None
    commands = {task.id for task in (*plan.tasks, context.task) if plan.backend_of(task).runs_command}
    told = BudgetLedger.usages(context.ledger).keys()
    return BudgetLedger(context.ledger, budget).exceeded() if commands & told else None


def _amount(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value <= _MOST else None
