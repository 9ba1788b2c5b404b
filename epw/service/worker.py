"""Worker process: it polls the application's task queue and the queue of its host until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import Interceptor, Worker

from activities.agents.base import Agent
from activities.processes.host_monitor import HostMonitor
from activities.state.state_directory import StateDirectory
from activities.system.process_identity import Process
from epw.core.messages import TASK_QUEUE
from epw.service.recovery import maintained
from epw.service.registration import OPTIONS, WORKFLOWS, activities, host_name, host_queue, raise_open_files
from epw.settings import MAX_KEPT_BYTES, Settings

_MAX_THREADS = 32
_GRACE = timedelta(seconds=5)
_log = logging.getLogger(__name__)


def workers(
    client: Client,
    state: StateDirectory,
    *,
    queue: str = TASK_QUEUE,
    agents: Mapping[str, Agent] | None = None,
    grace: timedelta = _GRACE,
    identity: str | None = None,
    max_kept_bytes: int = MAX_KEPT_BYTES,
    host: HostMonitor | None = None,
    interceptors: Sequence[Interceptor] = (),
) -> list[Worker]:
    """The two workers of this process: for the shared queue, and for activities bound to this host."""
    raise_open_files()
    registered = activities(client, state, queue, agents=agents, max_kept_bytes=max_kept_bytes, host=host)
    return [
        Worker(
            client,
            task_queue=name,
            workflows=workflows,
            activities=registered,
            graceful_shutdown_timeout=grace,
            identity=identity,
            interceptors=interceptors,
            **OPTIONS,
        )
        for name, workflows in ((queue, WORKFLOWS), (host_queue(queue, state), ()))
    ]


async def work(
    client: Client,
    settings: Settings,
    stop: asyncio.Event,
    supervisor: Process | None = None,
    interceptors: Sequence[Interceptor] = (),
) -> None:
    """Work until `stop` is set; agents then have a grace time to end, or are handed over."""
    # Attempts check out, save and land in threads; asyncio's default pool is too small for that.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_MAX_THREADS))
    settings.make_home()
    state, max_kept_bytes = settings.state, settings.max_kept_bytes
    identity = f"{os.getpid()}@{host_name(state)}/{uuid.uuid4().hex[:8]}"
    async with maintained(client, state, identity, supervisor), contextlib.AsyncExitStack() as running:
        for worker in workers(
            client, state, identity=identity, max_kept_bytes=max_kept_bytes, interceptors=interceptors
        ):
            await running.enter_async_context(worker)
        _log.info("worker ready: queue %s on %s", TASK_QUEUE, host_name(state))
        await stop.wait()
