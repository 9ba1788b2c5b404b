"""Difference between this machine's clock and that of Temporal's server, as the server itself shows it.

No answer of the server has its time of day, but the description of a task queue says when it was last asked for work:
so this process asks one that is its own, which has none.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Callable
from datetime import timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, PollActivityTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from activities.system.server_time import set_ahead

_SAME_SECONDS = 1.0
"""A smaller difference counts as none."""
_TRIES = 20
_PAUSE_SECONDS = 0.02
_RPC_TIMEOUT = timedelta(seconds=5)
_ON_THIS_MACHINE = ("127.0.0.1", "localhost", "[::1]")


async def follow_clock(client: Client) -> None:
    """Have this process tell times as the server has them; where that cannot be found out now, all stays as it is."""
    host = client.service_client.config.target_host.rpartition(":")[0]
    if host not in _ON_THIS_MACHINE:
        with contextlib.suppress(RPCError, TimeoutError):
            set_ahead(await ahead(client))


async def ahead(client: Client, clock: Callable[[], float] = time.time) -> float:
    """Seconds by which this machine's `clock` is ahead of the server's; raises `RPCError`, `TimeoutError`."""
    queue = TaskQueue(name=f"epw-clock-{uuid.uuid4().hex}")
    poll = PollActivityTaskQueueRequest(namespace=client.namespace, task_queue=queue, identity="epw clock")
    before = clock()
    polling = asyncio.ensure_future(client.workflow_service.poll_activity_task_queue(poll, timeout=_RPC_TIMEOUT))
    try:
        for _ in range(_TRIES):
            there = await _last_asked(client, queue)
            if there:
                return _difference(before, clock(), there)
            await asyncio.sleep(_PAUSE_SECONDS)
        raise TimeoutError("the server does not say when it was asked")
    finally:
        polling.cancel()
        with contextlib.suppress(asyncio.CancelledError, RPCError):
            await polling


def _difference(before: float, after: float, there: float) -> float:
    """How far `there` is from this machine's time, which was between `before` and `after` then."""
    if before - _SAME_SECONDS <= there <= after + _SAME_SECONDS:
        return 0.0
    return (before + after) / 2 - there


async def _last_asked(client: Client, queue: TaskQueue) -> float:
    """When the server was last asked for work of a queue, seconds since 1970 by its clock; 0: not yet."""
    kind = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
    request = DescribeTaskQueueRequest(namespace=client.namespace, task_queue=queue, task_queue_type=kind)
    described = await client.workflow_service.describe_task_queue(request, timeout=_RPC_TIMEOUT)
    return max((each.last_access_time.ToMilliseconds() / 1000 for each in described.pollers), default=0.0)
