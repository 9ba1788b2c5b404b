"""Watch on what an execution spends while an attempt runs, for the notice that its budget is mostly spent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from temporalio import activity
from temporalio.service import RPCError

from activities.model_api.budget_ledger import BudgetLedger
from activities.state.execution_store import ExecutionStore
from activities.system.concurrency import in_thread
from epw.core.execution.budget_policy import NOTICE_SHARE, share_of
from epw.core.plan.model import Plan
from epw.core.plan.parts import Budget
from epw.core.plan.requests import SPENT, SpentSoFar

_LOOK_SECONDS = 2.0


@asynccontextmanager
async def budget_watched(execution: ExecutionStore, plan: Plan, budget: Budget | None) -> AsyncIterator[None]:
    """Tell the workflow once when most of the budget is spent, while the block runs; where the plan asks for that.

    Else it would know when the attempt has ended.
    """
    if budget is None or not any("budget" in rule.on for rule in plan.notify):
        yield
        return
    told = execution.path / f"spent-{execution.run_key[:8]}-{budget.max_cost_usd}-{budget.max_tokens}"
    watching = asyncio.create_task(_watch(execution, budget, told))
    try:
        yield
    finally:
        watching.cancel()


async def _watch(execution: ExecutionStore, budget: Budget, told: Path) -> None:
    while not told.exists():
        await asyncio.sleep(_LOOK_SECONDS)
        spent = await in_thread(_spent, execution)
        if share_of(budget, spent.cost_usd, spent.tokens) < NOTICE_SHARE:
            continue
        with contextlib.suppress(FileExistsError):
            told.touch(exist_ok=False)
            try:
                info = activity.info()
                handle = activity.client().get_workflow_handle(info.workflow_id or "", run_id=info.workflow_run_id)
                await handle.signal(SPENT, spent)
            except RPCError:
                told.unlink()


def _spent(execution: ExecutionStore) -> SpentSoFar:
    usages = BudgetLedger.usages(execution.ledger).values()
    tokens = sum(each.input_tokens + each.output_tokens for each in usages)
    return SpentSoFar(cost_usd=sum(each.cost_usd or 0.0 for each in usages), tokens=tokens)
