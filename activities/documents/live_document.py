"""Result document of the execution whose activity is running."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio import activity

from activities.documents.hub_results import add_hub_results
from activities.documents.spending import add_spending
from activities.state.execution_store import ExecutionStore
from activities.system.concurrency import in_thread
from epw.core.report.history import whole
from epw.core.report.model import ExecutionResult

_ROWS_PER_PAGE = 500
_QUERY_TIMEOUT = timedelta(seconds=30)


async def live_document(execution: ExecutionStore) -> ExecutionResult:
    """The document as the workflow and this machine have it now; raises `RPCError` where no worker answers."""
    info = activity.info()
    handle = activity.client().get_workflow_handle(info.workflow_id or "", run_id=info.workflow_run_id)

    async def page(offset: int) -> dict[str, Any]:
        rows = {"offset": offset, "limit": _ROWS_PER_PAGE}
        found: dict[str, Any] = await handle.query("results", rows, rpc_timeout=_QUERY_TIMEOUT)
        return found

    short = await page(0)
    while len(short["results"]) < short["total"]:
        short["results"] += (await page(len(short["results"])))["results"]
    document = whole(short, info.workflow_run_id or "")
    await in_thread(add_hub_results, document, execution)
    await in_thread(add_spending, document, execution)
    return document
