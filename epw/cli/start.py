"""`start`: start a plan that a worker elsewhere runs."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

from epw.cli.options import JSON_OPTION, NewId, PlanAgent, PlanPath
from epw.cli.output import print_json
from epw.cli.plan_argument import read_plan_argument
from epw.cli.session import run_command, tidy_up
from epw.client.start import check_runnable, start_execution
from epw.core.messages import TASK_QUEUE
from epw.service.connection import Connection, connected
from epw.settings import Settings


def start(plan: PlanPath, execution_id: NewId = None, agent: PlanAgent = None, as_json: bool = JSON_OPTION) -> None:
    """Start a plan and print the execution's id; a worker elsewhere (`up`, worker.py) does the work."""

    async def command(settings: Settings) -> int:
        file = read_plan_argument(plan, agent=agent)
        if file.plan.workspace is None or Path(file.plan.workspace).exists():
            check_runnable(file.plan)
        async with connected(settings) as connection:
            await tidy_up(settings, connection)
            handle = await start_execution(connection, file, execution_id)
            if connection.is_embedded and not await _has_worker(connection):
                print(f"no worker yet: `epw up` or `epw run --resume {handle.id}` does the work", file=sys.stderr)
        print_json({"executionId": handle.id}) if as_json else print(handle.id)
        return 0

    run_command(command, as_json=as_json)


async def _has_worker(connection: Connection) -> bool:
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
    recent = datetime.now().timestamp() - 65
    return any(poller.last_access_time.seconds > recent for poller in described.pollers)
