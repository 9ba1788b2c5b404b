"""`worker`: run a worker until it is stopped."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from epw.cli.offline import run_offline
from epw.cli.processes import PROCESSES, Processes
from epw.service.several_workers import serve_several
from epw.service.worker_options import DEPLOYMENT, WorkerOptions, unique
from epw.service.worker_process import prepare_process, serve
from epw.settings import Settings

_SECONDS = WorkerOptions().grace.total_seconds()


def worker(
    slots: Annotated[
        int | None, typer.Option("--slots", min=1, max=1000, help="How many attempts run in it at once.")
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option("--label", help="What it has that tasks can need (gpu); repeatable.")
    ] = None,
    grace: Annotated[
        float, typer.Option("--grace", min=0, help="Seconds that its agents may go on once it is to stop.")
    ] = _SECONDS,
    version: Annotated[
        str | None, typer.Option("--version", help="Its version: executions end on the one they began on.")
    ] = None,
    deployment: Annotated[
        str, typer.Option("--deployment", help="The Worker Deployment of Temporal that its version is of.")
    ] = DEPLOYMENT,
    processes: Processes = PROCESSES,  # type: ignore[assignment]
) -> None:
    """A worker until it is stopped, for a server that other machines use too. The first signal to stop lets its agents
    go on for a while, and it takes nothing new; a second ends it at once.
    """

    async def command(settings: Settings) -> int:
        options = WorkerOptions(slots, unique(label or []), timedelta(seconds=grace), version, deployment)
        if processes == 1:
            await serve(settings, options)
        else:
            await serve_several(settings, options, processes)
        return 0

    prepare_process()
    run_offline(command)
