"""A worker: it polls the application's queue and the queue of its host, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import socket
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.agents.base import Agent
from activities.agents.registry import make_agents
from activities.deliver import Deliverer
from activities.land import Lander
from activities.prepare import Preparer
from activities.roll_back import RollBacker
from activities.run_task import TaskRunner
from activities.state.execution_store import write_atomically
from activities.state.plan_source import StartEvent
from activities.state.worker_records import WorkerRecord
from activities.system.process_identity import Process
from activities.verify import Verifier
from epw.core.messages import TASK_QUEUE
from epw.core.naming import slug
from epw.service.admission_signals import tell_in_line
from epw.service.connection import SearchAttributes
from epw.service.janitor import tidy
from epw.service.limiter import limiter
from epw.service.recovery import keep_recovering
from epw.settings import MAX_KEPT_BYTES, Settings
from workflows.execute_parallel import ExecuteParallelWorkflow
from workflows.rate_limit import RateLimitWorkflow

_MAX_ACTIVITIES = 1200
_MAX_EAGER = 50
_THREADS = 32
_MAX_OPEN_FILES = 65_536
_GRACE = timedelta(seconds=5)
_log = logging.getLogger(__name__)


def workers(
    client: Client,
    home: Path,
    *,
    queue: str = TASK_QUEUE,
    agents: Mapping[str, Agent] | None = None,
    grace: timedelta = _GRACE,
    identity: str | None = None,
    most_kept: int = MAX_KEPT_BYTES,
) -> list[Worker]:
    """The workers of this process: one for the shared queue, one for what is bound to this host."""
    _raise_open_files()
    host_queue = f"{queue}@{host_name(home)}"
    plans, deliverer = StartEvent(), Deliverer(home)
    activities: list[Callable[..., Any]] = [
        Preparer(home, plans, host_queue, SearchAttributes(client).known).prepare,
        TaskRunner(
            home,
            plans,
            agents or make_agents(home, partial(limiter, client, queue)),
            partial(tell_in_line, client),
            most_kept,
        ).run_task,
        Lander(home, plans).land,
        Verifier(home, plans).verify,
        deliverer.deliver,
        deliverer.clean_up,
        RollBacker(home).roll_back,
    ]
    return [
        Worker(
            client,
            task_queue=name,
            workflows=workflows,
            workflow_runner=UnsandboxedWorkflowRunner(),
            activities=activities,
            max_concurrent_activities=_MAX_ACTIVITIES,
            max_eager_activity_reservations_per_workflow_task=_MAX_EAGER,
            # After a worker's death the next step would wait 10 s for its sticky queue.
            sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
            # Cancellations come with heartbeats: the default throttle would keep them for 24 s.
            max_heartbeat_throttle_interval=timedelta(milliseconds=300),
            default_heartbeat_throttle_interval=timedelta(milliseconds=300),
            graceful_shutdown_timeout=grace,
            identity=identity,
        )
        for name, workflows in ((queue, [ExecuteParallelWorkflow, RateLimitWorkflow]), (host_queue, []))
    ]


async def work(client: Client, settings: Settings, stop: asyncio.Event, keeper: Process | None = None) -> None:
    """Work until `stop` is set; agents then have the grace time to end, or are handed over."""
    # Attempts check out, save and land in threads; the default is a handful.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS))
    home, most_kept = settings.make_home(), settings.most_kept
    for line in await tidy(client, home):
        _log.warning("%s", line)
    recovering = asyncio.create_task(keep_recovering(client, home))
    try:
        async with contextlib.AsyncExitStack() as running:
            identity = f"{os.getpid()}@{host_name(home)}/{uuid.uuid4().hex[:8]}"
            running.enter_context(WorkerRecord.kept(home, identity, keeper))
            for worker in workers(client, home, identity=identity, most_kept=most_kept):
                await running.enter_async_context(worker)
            _log.info("worker ready: queue %s on %s", TASK_QUEUE, host_name(home))
            await stop.wait()
    finally:
        recovering.cancel()


def _raise_open_files() -> None:
    """Git, which we start, holds a file open for each directory above the one where it is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _MAX_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def host_name(home: Path) -> str:
    """This machine and state directory: the hub and the attempts' directories are here and nowhere else."""
    note = home / "host"
    if not note.is_file():
        write_atomically(note, f"{slug(socket.gethostname())[:30]}-{uuid.uuid4().hex[:8]}".encode())
    return note.read_text()
