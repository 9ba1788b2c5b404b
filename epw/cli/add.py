"""`add`: tasks for an execution that runs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from epw.cli.options import JSON_OPTION, ExecutionId
from epw.cli.output import print_json, printable
from epw.cli.plan_argument import added_tasks, print_notes
from epw.cli.session import run_connected
from epw.client.added_tasks import assigned
from epw.client.requests import require_worker, send
from epw.core.backends import BACKENDS
from epw.service.connection import Connection
from epw.settings import Settings


def add(
    execution_id: ExecutionId,
    tasks: Annotated[
        list[str],
        typer.Argument(metavar="PLAN | TASK...", help="A file with `tasks`, - for standard input, or tasks in words."),
    ],
    after: Annotated[
        list[str] | None,
        typer.Option("--after", metavar="TASK", help="Each of them follows this task of the execution. Repeatable."),
    ] = None,
    agent: Annotated[
        str | None,
        typer.Option(
            "--agent", help=f"Who does those that name no agent (default: the plan's): {', '.join(BACKENDS)}."
        ),
    ] = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Add tasks while it runs; they can depend on those that there are, and are scheduled like them."""
    rows = added_tasks(tasks, after or [])

    async def command(settings: Settings, connection: Connection) -> int:
        handle = connection.client.get_workflow_handle(execution_id)
        await require_worker(connection, handle)
        made, notes = await assigned(connection, handle, rows, agent)
        print_notes(notes)
        answered: dict[str, Any] = await send(handle, "add_tasks", {"tasks": made})
        if as_json:
            print_json(answered)
        else:
            print(f"{printable(execution_id)}: {printable(', '.join(answered['added']))} {answered['outcome']}")
        return 0

    run_connected(command, as_json=as_json)
