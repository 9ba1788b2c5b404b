"""`workers`: list the workers that poll for executions."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from activities.system.server_time import server_ms
from epw.cli.layout import Column, ago, table
from epw.cli.options import JSON_OPTION
from epw.cli.output import print_json
from epw.cli.session import run_connected
from epw.client.fleet import KnownWorker, known_workers
from epw.service.connection import Connection
from epw.service.deployment import make_current
from epw.service.worker_options import DEPLOYMENT
from epw.settings import Settings

_COLUMNS = (
    Column("host", is_id=True),
    Column("pid"),
    Column("status", rank=1),
    Column("version", rank=2),
    Column("labels", rank=3),
    Column("attempts"),
    Column("cpu", rank=5),
    Column("memory", rank=6),
    Column("up", rank=7),
    Column("seen", rank=4),
)


def workers(
    current: Annotated[
        str | None,
        typer.Option(
            "--current",
            metavar="VERSION",
            help="Have new executions begin on this version of the workers (none: on those without).",
        ),
    ] = None,
    deployment: Annotated[
        str, typer.Option("--deployment", help="The Worker Deployment of Temporal that the version is of.")
    ] = DEPLOYMENT,
    as_json: bool = JSON_OPTION,
) -> None:
    """The workers that poll for executions, on every machine: host, version, labels, slots, load."""

    async def command(settings: Settings, connection: Connection) -> int:
        if current is not None:
            await make_current(connection.client, deployment, None if current == "none" else current)
        found = await known_workers(connection, server_ms())
        if as_json:
            print_json([each.document() for each in found])
            return 0
        table("workers", _COLUMNS, [_cells(each) for each in found])
        if not found:
            print("none: `epw worker` starts one, `epw up` one with the server, `epw run` brings its own")
        return 0

    run_connected(command, as_json=as_json, tidy=False)


def _cells(worker: KnownWorker) -> list[Any]:
    return [
        worker.host,
        worker.process,
        worker.status,
        worker.version if worker.deployment is None else f"{worker.version} ({worker.use})",
        ", ".join(worker.labels) or None,
        attempts_of(worker),
        _percent(worker.cpu_percent),
        _percent(worker.memory_percent),
        None if worker.started_at is None else ago(worker.started_at).removesuffix(" ago"),
        ago(worker.seen_at),
    ]


def attempts_of(worker: KnownWorker) -> str | None:
    """How many attempts have a slot, of how many slots, and how many wait for one; None: not known."""
    if worker.used is None:
        return None if worker.slots is None else f"at most {worker.slots}"
    waiting = f", {worker.waiting} waiting" if worker.waiting else ""
    return f"{worker.used} of {worker.slots}{waiting}" if worker.slots is not None else str(worker.used)


def _percent(value: float | None) -> str | None:
    return None if value is None else f"{value:.0f} %"
