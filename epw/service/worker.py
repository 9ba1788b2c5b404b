"""Worker process: it polls the application's task queue and the queue of its host until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Interceptor, Worker

from activities.agents.base import Agent
from activities.processes.host_monitor import HostMonitor
from activities.state.host import host_name
from activities.state.state_directory import StateDirectory
from activities.system.directories import Trash
from activities.system.process_identity import Process
from epw.core.messages import TASK_QUEUE
from epw.service.identity import WorkerIdentity
from epw.service.pollers import version_of
from epw.service.polling import make_workers, polled_queues, polling
from epw.service.recovery import maintained
from epw.service.registration import VERSIONED_WORKFLOWS, WORKFLOWS, activities, raise_open_files
from epw.service.worker_options import WorkerOptions
from epw.settings import MAX_KEPT_BYTES, Settings

_MAX_THREADS = 32
_DEFAULT = WorkerOptions()
_log = logging.getLogger(__name__)


def workers(
    client: Client,
    state: StateDirectory,
    *,
    queue: str = TASK_QUEUE,
    agents: Mapping[str, Agent] | None = None,
    options: WorkerOptions = _DEFAULT,
    identity: str | None = None,
    max_kept_bytes: int = MAX_KEPT_BYTES,
    host: HostMonitor | None = None,
    interceptors: Sequence[Interceptor] = (),
) -> list[Worker]:
    """The workers of this process: for the shared queues, and for activities bound to this host."""
    raise_open_files()
    registered = activities(
        client,
        state,
        queue,
        agents=agents,
        max_kept_bytes=max_kept_bytes,
        host=host,
        slots=options.slots,
        host_patience=options.host_patience,
    )
    queues = list(polled_queues(queue, host_name(state), options.labels))
    workflows = WORKFLOWS if options.version is None else VERSIONED_WORKFLOWS
    return make_workers(client, queues, registered, workflows, options, identity=identity, interceptors=interceptors)


async def work(
    client: Client,
    settings: Settings,
    stop: asyncio.Event,
    supervisor: Process | None = None,
    interceptors: Sequence[Interceptor] = (),
    options: WorkerOptions = _DEFAULT,
    ready: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Work until `stop` is set; agents then have a grace time to end, or are handed over.

    `ready`: called once it polls.
    """
    # Attempts check out, save and land in threads; asyncio's default pool is too small for that.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_MAX_THREADS))
    settings.make_home()
    state = settings.state
    own = WorkerIdentity(os.getpid(), host_name(state), uuid.uuid4().hex[:8], options.slots)
    made = workers(
        client,
        state,
        options=options,
        identity=str(own),
        max_kept_bytes=settings.max_kept_bytes,
        interceptors=interceptors,
    )
    async with maintained(client, state, str(own), supervisor), polling(made):
        _log.info("worker ready: queue %s on %s", TASK_QUEUE, own.host)
        if options.version is None:
            await _warn_of_version(client)
        if ready is not None:
            await ready()
        await stop.wait()
    await asyncio.to_thread(Trash.settle)


async def _warn_of_version(client: Client) -> None:
    """Say that a worker without a version gets nothing, where the server gives new executions to one."""
    with contextlib.suppress(RPCError):
        if (version := await version_of(client, TASK_QUEUE)) is not None:
            ways = f"`epw worker --version {version}` is one of them; `epw workers --current none` undoes that"
            _log.warning("new executions begin on workers of version %s, and this one has none: %s", version, ways)
