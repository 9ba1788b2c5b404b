"""Several worker processes behind one command: they start, take executions and stop together."""

from __future__ import annotations

import asyncio
import contextlib
import signal

from temporalio.client import Client

from epw.core.messages import TASK_QUEUE
from epw.service.connection import connected
from epw.service.identity import WorkerIdentity
from epw.service.pollers import pollers
from epw.service.worker_options import WorkerOptions
from epw.service.worker_process import say_ready, say_stopping
from epw.service.worker_supervisor import Workers
from epw.settings import Settings

_LOOK_SECONDS = 0.1


async def serve_several(settings: Settings, options: WorkerOptions, number: int) -> None:
    """Keep so many workers until SIGTERM, SIGINT or SIGHUP; a second signal ends them at once.

    Raises `Unavailable` where there is no server, or one of them cannot start.
    """
    workers, stop, loop = Workers(settings, options, number), asyncio.Event(), asyncio.get_running_loop()

    def stop_or_kill() -> None:
        if stop.is_set():
            workers.kill()
            return
        stop.set()
        say_stopping(options)

    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(each, stop_or_kill)
    # The connection is held here too: a server that a worker had started would end as what that worker leaves.
    async with connected(settings) as connection:
        supervising = asyncio.create_task(workers.supervise())
        stopping = asyncio.create_task(stop.wait())
        polling = asyncio.create_task(_all_poll(connection.client, workers))
        try:
            await asyncio.wait([supervising, stopping, polling], return_when=asyncio.FIRST_COMPLETED)
            if polling.done() and not polling.exception():
                await say_ready(connection, options, number)
            await asyncio.wait([supervising, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (stopping, polling, supervising):
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await supervising


async def _all_poll(client: Client, workers: Workers) -> None:
    while True:
        found = [WorkerIdentity.read(each.identity) for each in await pollers(client, TASK_QUEUE, of_workflows=True)]
        polling = {each.process for each in found if each is not None}
        if polling.issuperset(pids := workers.pids) and pids:
            return
        await asyncio.sleep(_LOOK_SECONDS)
