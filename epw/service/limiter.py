"""How a worker asks the limiter of an API account: an update, of a workflow that is started where there is none."""

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
    """Ask the limiter of this id; raises what the client raises where nobody answers."""

    async def ask(request: LeaseRequest) -> Lease:
        start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            RATE_LIMIT, id=workflow_id, task_queue=queue, id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING
        )
        answer: Lease = await client.execute_update_with_start_workflow(
            LEASE, request, start_workflow_operation=start, result_type=Lease, rpc_timeout=_TIMEOUT
        )
        return answer

    return ask
