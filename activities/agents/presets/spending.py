"""What a program uses, as it says itself: counted into the task's usage and the execution's budget."""

from __future__ import annotations

from activities.agents.context import AgentContext
from activities.agents.reporter import Reporter
from activities.agents.session_record import SessionRecord
from activities.model_api.budget_ledger import BudgetLedger
from epw.core.messages import Usage
from epw.core.presets.events import Used


class Spending:
    """Tokens and dollars of one start of a program, on top of those before it.

    A call that exceeds the budget is over when the program tells of it: then nothing more is started.
    """

    def __init__(self, context: AgentContext, reporter: Reporter, record: SessionRecord) -> None:
        self._reporter = reporter
        self._record = record
        self._before = record.current.usage
        self._parts: dict[str | None, Used] = {}
        self._ledger = BudgetLedger(context.ledger, context.budget)
        self._key = f"{context.task.id}/{context.attempt}"
        self._has_budget = context.budget.max_cost_usd is not None or context.budget.max_tokens is not None
        reporter.usage = self._before if self._before.requests else None

    def over_budget(self) -> str | None:
        """What is spent, in words, where the execution's budget allows no more; else None."""
        return self._ledger.exceeded() if self._has_budget else None

    def count(self, used: Used) -> None:
        """Take over tokens and dollars that the program tells of."""
        if used.key is None:
            self._parts.clear()
        self._parts[used.key] = used
        earlier, parts = self._record.current.usage, self._parts.values()
        # A first part without a cost may be followed by a sum that has one.
        costs = [part.cost for part in parts if part.cost is not None]
        known = self._before.cost_usd is not None or not self._before.requests
        usage = Usage(
            requests=self._before.requests + sum(part.requests for part in parts),
            input_tokens=self._before.input_tokens + sum(part.input_tokens for part in parts),
            output_tokens=self._before.output_tokens + sum(part.output_tokens for part in parts),
            cost_usd=(self._before.cost_usd or 0.0) + sum(costs) if costs and known else None,
        )
        self._record.update(usage=usage)
        self._reporter.usage = usage
        self._reporter.report({"tokens": usage.input_tokens + usage.output_tokens, "costUSD": usage.cost_usd})
        tokens = usage.input_tokens + usage.output_tokens - earlier.input_tokens - earlier.output_tokens
        self._ledger.settle(self._key, tokens, (usage.cost_usd or 0.0) - (earlier.cost_usd or 0.0))
