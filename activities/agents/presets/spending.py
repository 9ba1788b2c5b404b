"""Usage that a program reports of itself, counted into the task's usage and the execution's budget."""

from __future__ import annotations

from activities.agents.context import AgentContext
from activities.agents.reporter import Reporter
from activities.model_api.budget_ledger import BudgetLedger
from epw.core.messages import Usage
from epw.core.presets.events import Used


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
        if before.requests:
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
