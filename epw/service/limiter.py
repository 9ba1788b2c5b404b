"""Requests of a worker to the limiter of an API account: updates of a workflow that is started on demand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy

from activities.model_api.rate_client import Ask
from epw.core.account_limiter import Lease, LeaseRequest
from workflows.rate_limit import LEASE, RATE_LIMIT

_TIMEOUT = timedelta(seconds=10)


def limiter(client: Client, queue: str, workflow_id: str) -> Ask:
    """Function that asks the limiter with this workflow id; it raises the client's errors."""

    async def ask(request: LeaseRequest) -> Lease:
        start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            RATE_LIMIT, id=workflow_id, task_queue=queue, id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING
        )
        answer: Lease = await client.execute_update_with_start_workflow(
            LEASE, request, start_workflow_operation=start, result_type=Lease, rpc_timeout=_TIMEOUT
        )
        return answer

    return ask
