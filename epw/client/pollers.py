"""Workers that poll for executions, as the server sees them."""

from __future__ import annotations

import shlex
from datetime import datetime

from epw.core.messages import TASK_QUEUE
from epw.service.connection import Connection

_RECENT_SECONDS = 65
"""A poll lasts at most a minute."""


async def has_worker(connection: Connection) -> bool:
    """Whether a worker has polled the queue in the last 65 seconds."""
    from temporalio.api.enums.v1 import TaskQueueType
    from temporalio.api.taskqueue.v1 import TaskQueue
    from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest

    request = DescribeTaskQueueRequest(
        namespace=connection.client.namespace,
        task_queue=TaskQueue(name=TASK_QUEUE),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    described = await connection.client.workflow_service.describe_task_queue(request)
    recent = datetime.now().timestamp() - _RECENT_SECONDS
    return any(poller.last_access_time.seconds > recent for poller in described.pollers)


def without_worker(execution_id: str) -> str:
    """What a user can do about an execution that no worker runs."""
    return f"no worker answers: `epw run --resume {shlex.quote(execution_id)}` or `epw up` goes on"
