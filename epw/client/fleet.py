"""Workers that poll for executions, on every host, as the server knows them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from temporalio.api.enums.v1 import WorkerStatus
from temporalio.api.taskqueue.v1 import PollerInfo
from temporalio.api.worker.v1 import WorkerHeartbeat
from temporalio.api.workflowservice.v1 import ListWorkersRequest
from temporalio.service import RPCError, RPCStatusCode

from epw.core.messages import TASK_QUEUE
from epw.core.queues import host_of, is_for_steps, needs_of, shared_queue
from epw.service.connection import Connection
from epw.service.deployment import deployment_of
from epw.service.identity import WorkerIdentity
from epw.service.pollers import pollers

_PAGE = 1000
_MAX_SILENT_MS = 30_000
"""A worker tells of itself every 5 s (one that a plugin made, every minute)."""
_MAX_SILENT_OF_OTHERS_MS = 150_000
_STATUS = {
    WorkerStatus.WORKER_STATUS_RUNNING: "running",
    WorkerStatus.WORKER_STATUS_SHUTTING_DOWN: "stopping",
}
_UNKNOWN = (RPCStatusCode.UNIMPLEMENTED, RPCStatusCode.PERMISSION_DENIED)


@dataclass
class KnownWorker:
    """A worker process; times in epoch milliseconds."""

    host: str
    process: int | None
    version: str
    """Of its program, or in its Worker Deployment."""
    deployment: str | None
    """None: executions are not bound to its version."""
    status: str
    started_at: int | None
    seen_at: int
    slots: int | None
    """How many attempts it runs at once; None: no limit."""
    cpu_percent: float | None = None
    """Of the whole machine, as the next; None: the server does not know."""
    memory_percent: float | None = None
    used: int | None = None
    """Attempts that have a slot of it; None: the server does not know."""
    waiting: int = 0
    """Attempts that it has taken, and that wait for a slot."""
    labels: list[str] = field(default_factory=list)
    use: str | None = None
    """What becomes of its version: `current`, `draining` while executions of it run, `drained`, `new`."""

    @property
    def free(self) -> int | None:
        """How many attempts more it takes now; None: no limit, or not known."""
        return max(0, self.slots - self.used) if self.slots is not None and self.used is not None else None

    def document(self) -> dict[str, Any]:
        return {
            "host": self.host,
            "pid": self.process,
            "version": self.version,
            "deployment": self.deployment,
            "versionStatus": self.use,
            "status": self.status,
            "labels": self.labels,
            "slots": self.slots,
            "slotsUsed": self.used,
            "slotsFree": self.free,
            "slotsWaitedFor": self.waiting,
            "cpuPercent": self.cpu_percent,
            "memoryPercent": self.memory_percent,
            "startedAt": self.started_at,
            "lastSeenAt": self.seen_at,
        }


async def known_workers(connection: Connection, now: int) -> list[KnownWorker]:
    """The workers that were there of late, by host; `now`: epoch milliseconds.

    Where the server lists no workers, those that poll, without what only a worker knows of itself.
    """
    beats = list[WorkerHeartbeat]()
    request = ListWorkersRequest(namespace=connection.client.namespace, page_size=_PAGE)
    try:
        while True:
            page = await connection.client.workflow_service.list_workers(request)
            beats += [each.worker_heartbeat for each in page.workers_info]
            if not page.next_page_token:
                break
            request.next_page_token = page.next_page_token
    except RPCError as error:
        if error.status not in _UNKNOWN:
            raise
        return workers_that_poll(await pollers(connection.client, TASK_QUEUE, of_workflows=True), now)
    found = workers_of(beats, now)
    deployments = [each.deployment for each in found if each.deployment is not None]
    versions = {each: (await deployment_of(connection.client, each)).versions for each in dict.fromkeys(deployments)}
    for worker in found:
        if worker.deployment is not None:
            worker.use = versions[worker.deployment].get(worker.version)
    return found


def workers_of(beats: Iterable[WorkerHeartbeat], now: int) -> list[KnownWorker]:
    """The processes of which the server has heard of late; each polls several queues and is told of by each."""
    found: dict[str, KnownWorker] = {}
    for beat in beats:
        is_ours = shared_queue(beat.task_queue) == TASK_QUEUE
        if not is_ours or beat.status not in _STATUS:
            continue
        identity = WorkerIdentity.read(beat.worker_identity)
        seen_at = beat.heartbeat_time.ToMilliseconds()
        if now - seen_at > (_MAX_SILENT_OF_OTHERS_MS if identity is None else _MAX_SILENT_MS):
            continue
        worker = found.setdefault(beat.worker_identity, _worker(beat, identity))
        worker.seen_at = max(worker.seen_at, seen_at)
        worker.host = host_of(beat.task_queue) or worker.host
        worker.labels = max(worker.labels, needs_of(beat.task_queue), key=len)
        if not is_for_steps(beat.task_queue):
            worker.used = (worker.used or 0) + beat.activity_task_slots_info.current_used_slots
    for worker in found.values():
        if worker.used is not None and worker.slots is not None:
            # A poll that was under way cannot be taken back, so it may have taken more than it has slots.
            worker.waiting, worker.used = max(0, worker.used - worker.slots), min(worker.used, worker.slots)
    return sorted(found.values(), key=lambda each: (each.host, each.started_at or 0))


def workers_that_poll(found: Iterable[PollerInfo], now: int) -> list[KnownWorker]:
    """The processes that have polled in the last minutes, by their identities."""
    workers = []
    for each in found:
        identity, seen_at = WorkerIdentity.read(each.identity), each.last_access_time.ToMilliseconds()
        if now - seen_at > _MAX_SILENT_OF_OTHERS_MS:
            continue
        workers.append(
            KnownWorker(
                host=identity.host if identity is not None else each.identity,
                process=identity.process if identity is not None else None,
                version=each.deployment_options.build_id or each.worker_version_capabilities.build_id,
                deployment=each.deployment_options.deployment_name or None,
                status="running",
                started_at=None,
                seen_at=seen_at,
                slots=identity.slots if identity is not None else None,
            )
        )
    return sorted(workers, key=lambda worker: (worker.host, worker.process or 0))


def _worker(beat: WorkerHeartbeat, identity: WorkerIdentity | None) -> KnownWorker:
    process = beat.host_info.process_id
    return KnownWorker(
        host=identity.host if identity else beat.host_info.host_name,
        process=int(process) if process.isdigit() else None,
        version=beat.deployment_version.build_id,
        deployment=beat.deployment_version.deployment_name or None,
        status=_STATUS[beat.status],
        started_at=beat.start_time.ToMilliseconds(),
        seen_at=0,
        slots=identity.slots if identity else None,
        cpu_percent=round(100 * beat.host_info.current_host_cpu_usage, 1),
        memory_percent=round(100 * beat.host_info.current_host_mem_usage, 1),
    )
