"""What an execution has used of models, from its ledger on this machine: also of attempts that could not report it."""

from __future__ import annotations

from activities.model_api.budget_ledger import BudgetLedger
from activities.state.execution_store import ExecutionStore
from epw.core.report.model import ExecutionResult
from epw.core.report.spending import has_used, model_usage, total


def add_spending(document: ExecutionResult, execution: ExecutionStore) -> None:
    """Take the usage of each task from the ledger, if this machine has one, and the metrics' sums from that.

    A worker that was killed, and the one of an attempt that was ended without it, have told nobody else. What other
    hosts have spent on a git URL may not be known here yet: what the execution itself knows then stays.
    """
    usages = BudgetLedger.usages(execution.ledger)
    used = [usage for usage in usages.values() if has_used(model_usage(usage))]
    if not used:
        return
    for row in document["results"]:
        found = model_usage(usages[row["taskId"]]) if row["taskId"] in usages else None
        if found is not None and found["requests"] >= row["usage"]["requests"]:
            row["usage"] = found
    if document["metrics"] is not None:
        spent = total(row["usage"] for row in document["results"] if has_used(row["usage"]))
        document["metrics"]["costUSD"] = spent["costUSD"]
        if "inDoubt" in spent:
            document["metrics"]["inDoubt"] = spent["inDoubt"]
