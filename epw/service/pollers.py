"""Who polls a task queue, and which activities no worker has taken."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from temporalio.api.enums.v1 import PendingActivityState, TaskQueueType, VersioningBehavior
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, DescribeTaskQueueResponse
from temporalio.client import Client, WorkflowExecutionDescription

from activities.system.server_time import server_ms, server_time
from epw.core.messages import RUN_TASK
from epw.core.queues import host_of, needs_of
from epw.service.identity import WorkerIdentity

_SCHEDULED = PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
_BUSY_MS = 10_000
_RECENT_SECONDS = 65
"""A poll lasts at most a minute."""


async def pollers(client: Client, queue: str, *, of_workflows: bool = False) -> list[PollerInfo]:
    """Those that have polled a queue in the last minutes; some may be gone."""
    return list((await _described(client, queue, of_workflows=of_workflows)).pollers)


async def recent_identities(client: Client, queue: str) -> list[str]:
    """Identities of the workers that have polled for workflow tasks of late, and get those of new executions."""
    recent = server_time() - _RECENT_SECONDS
    described = await _described(client, queue, of_workflows=True)
    current = described.versioning_info.current_deployment_version
    return [
        each.identity
        for each in described.pollers
        if each.last_access_time.seconds > recent
        and (not current.build_id or each.deployment_options.build_id == current.build_id)
    ]


async def version_of(client: Client, queue: str) -> str | None:
    """The version of workers on which new executions begin; None: on those without one."""
    described = await _described(client, queue, of_workflows=True)
    return described.versioning_info.current_deployment_version.build_id or None


async def _described(client: Client, queue: str, *, of_workflows: bool) -> DescribeTaskQueueResponse:
    kind = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW if of_workflows else TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
    request = DescribeTaskQueueRequest(
        namespace=client.namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind
    )
    return await client.workflow_service.describe_task_queue(request)


async def polling_hosts(client: Client, queue: str) -> list[str]:
    """Names of the hosts whose workers have polled a shared queue of late."""
    identities = map(WorkerIdentity.read, await recent_identities(client, queue))
    return list(dict.fromkeys(each.host for each in identities if each is not None))


@dataclass(frozen=True)
class Unstarted:
    """An activity that nobody takes: no worker that could is there, or free."""

    activity: str
    type: str
    queue: str
    since: int
    """When it was scheduled, epoch milliseconds of the server."""
    version: str | None = None
    """The only version of workers that may take it; None: any."""
    run: int = 1
    """Which of Temporal's runs of it waits: after the first, a worker has had it before."""
    patience_seconds: float = 0
    """So long after that it goes to any host, which begins a new conversation; 0: never."""

    @property
    def task_id(self) -> str | None:
        """The task whose attempt it is."""
        return self.activity.removeprefix("task-") if self.type == RUN_TASK else None

    @property
    def host(self) -> str | None:
        return host_of(self.queue)

    @property
    def needs(self) -> list[str]:
        return needs_of(self.queue)


async def unstarted(client: Client, described: WorkflowExecutionDescription) -> list[Unstarted]:
    """The activities of an execution that no worker takes, in a description of it."""
    version = _pinned_to(described)
    waiting = [
        Unstarted(
            each.activity_id,
            each.activity_type.name,
            each.activity_options.task_queue.name,
            each.scheduled_time.ToMilliseconds(),
            version,
            each.attempt,
            # Of a step, the next host is asked then.
            each.activity_options.schedule_to_start_timeout.ToSeconds() if each.activity_type.name == RUN_TASK else 0,
        )
        for each in described.raw_description.pending_activities
        # With a next time it waits for that, after a failure.
        if each.state == _SCHEDULED and not each.HasField("next_attempt_schedule_time")
    ]
    asked = {
        queue: _last_asked(await pollers(client, queue), version)
        for queue in dict.fromkeys(each.queue for each in waiting if each.queue)
    }
    now = server_ms()
    return [each for each in waiting if each.queue and is_left(each.since, asked[each.queue], now)]


def is_left(since: int, asked: int, now: int) -> bool:
    """Whether nobody takes an activity: nobody has asked for one `since` then, or the slots of those who did are taken.

    A worker that is free asks at least so often while something waits for it. Times in epoch milliseconds.
    """
    return asked < since or now - asked >= _BUSY_MS


def _pinned_to(described: WorkflowExecutionDescription) -> str | None:
    info = described.raw_description.workflow_execution_info.versioning_info
    override = info.versioning_override
    if override.HasField("pinned"):
        return override.pinned.version.build_id
    is_pinned = info.behavior == VersioningBehavior.VERSIONING_BEHAVIOR_PINNED and not override.auto_upgrade
    return info.deployment_version.build_id or None if is_pinned else None


def _last_asked(found: Iterable[PollerInfo], version: str | None) -> int:
    """When a worker last asked for something, epoch milliseconds; 0: never."""
    times = (
        each.last_access_time.ToMilliseconds()
        for each in found
        if version is None or each.deployment_options.build_id == version
    )
    return max(times, default=0)
