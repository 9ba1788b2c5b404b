"""`up`: keep server, Web UI and worker running until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib

from temporalio.service import RPCError

from epw.cli.launch import interruptible
from epw.cli.output import INTERRUPTED
from epw.cli.processes import PROCESSES, Processes
from epw.cli.session import run_connected, tidy_up
from epw.service.connection import Connection
from epw.service.worker_supervisor import supervised_worker
from epw.settings import Settings

_TIDY_SECONDS = 3600.0


def up(processes: Processes = PROCESSES) -> None:  # type: ignore[assignment]
    """Keep the server, the Web UI and a worker up until Ctrl-C; interrupted executions go on."""

    async def command(settings: Settings, connection: Connection) -> int:
        async with interruptible() as interrupted, supervised_worker(settings, processes) as worker:
            config = connection.client.service_client.config
            print(f"Temporal: {config.target_host}, namespace {connection.client.namespace}", flush=True)
            if connection.web_ui:
                print(f"Temporal Web UI: {connection.web_ui}", flush=True)
            several = f"{processes} worker processes · " if processes > 1 else ""
            print(f"task queue: epw · {several}Ctrl-C stops", flush=True)
            tidying = asyncio.create_task(_keep_tidy(settings, connection))
            await asyncio.wait([interrupted, worker], return_when=asyncio.FIRST_COMPLETED)
            tidying.cancel()
            if worker.done():
                worker.result()
        return INTERRUPTED

    run_connected(command)


async def _keep_tidy(settings: Settings, connection: Connection) -> None:
    """Tidy up now and then: it may be up for weeks, without another command."""
    while True:
        await asyncio.sleep(_TIDY_SECONDS)
        with contextlib.suppress(RPCError):
            await tidy_up(settings, connection)
