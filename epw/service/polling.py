"""Workers of one process, one a task queue: they start together, and stop together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from temporalio.client import Client
from temporalio.worker import PollerBehaviorSimpleMaximum, Worker

from epw.core.queues import attempts_queues, host_queue, needs_of, steps_queue
from epw.core.version import __version__
from epw.service.attempt_slots import AttemptSlots, tuner
from epw.service.registration import OPTIONS
from epw.service.worker_options import WorkerOptions

_ONE_POLLER = PollerBehaviorSimpleMaximum(1)
_MAX_TURN_SECONDS = 60
"""Longer than the server waits for a workflow task: it has been given to another worker by then."""


@dataclass(frozen=True)
class PolledQueue:
    """A task queue that the process polls."""

    name: str
    has_workflows: bool = False
    has_attempts: bool = True


def polled_queues(queue: str, host: str, labels: Sequence[str] = ()) -> Iterator[PolledQueue]:
    """Queues of a worker of a host: first the shared one, which has the workflows."""
    own = host_queue(queue, host)
    for base in (queue, own):
        for name in attempts_queues(base, labels):
            yield PolledQueue(name, has_workflows=name == queue)
        yield PolledQueue(steps_queue(base), has_attempts=False)


def make_workers(
    client: Client,
    queues: Sequence[PolledQueue],
    activities: Sequence[Callable[..., Any]],
    workflows: Sequence[type],
    options: WorkerOptions,
    **more: Any,
) -> list[Worker]:
    """A worker for each queue; `more`: options of `temporalio.worker.Worker` for all of them."""
    slots = AttemptSlots(options.slots) if options.slots is not None else None
    general = {**OPTIONS, "graceful_shutdown_timeout": options.grace, **more}
    if (deployment := options.deployment_config) is not None:
        general["deployment_config"] = deployment
    else:
        # The SDK's own default is a digest of all code that is loaded.
        general["build_id"] = __version__
    limited = {name: value for name, value in general.items() if name != "max_concurrent_activities"}
    workers = []
    for each in queues:
        own = {**limited, "tuner": tuner(slots)} if slots is not None and each.has_attempts else dict(general)
        if needs_of(each.name):
            own["activity_task_poller_behavior"] = _ONE_POLLER
        registered = workflows if each.has_workflows else ()
        worker = Worker(client, task_queue=each.name, workflows=registered, activities=activities, **own)
        allow_long_turns(worker)
        workers.append(worker)
    return workers


def allow_long_turns(worker: Worker) -> None:
    """Let a workflow task take the time that it needs on a busy machine.

    The SDK breaks one off that takes 2 s by the clock, as a deadlock, and has no option for it: the first one of a plan
    of thousands of tasks, 0.3 s of CPU, then never ends beside a few builds. Ours wait for nothing but their input.
    """
    if worker._workflow_worker is not None:
        worker._workflow_worker._deadlock_timeout_seconds = _MAX_TURN_SECONDS


@asynccontextmanager
async def polling(workers: Sequence[Worker]) -> AsyncIterator[None]:
    """Poll while the block runs; then none takes anything new, and all that runs has the same grace time to end."""
    async with AsyncExitStack() as running:
        for worker in workers:
            await running.enter_async_context(worker)
        try:
            yield
        finally:
            await asyncio.gather(*(worker.shutdown() for worker in workers))
