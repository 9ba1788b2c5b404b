"""`add`: tasks for an execution that runs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from epw.cli.options import JSON_OPTION, ExecutionId
from epw.cli.output import print_json, printable
from epw.cli.plan_argument import added_tasks
from epw.cli.session import run_connected
from epw.client.requests import send
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
    as_json: bool = JSON_OPTION,
) -> None:
    """Add tasks while it runs; they can depend on those that there are, and are scheduled like them."""
    request = {"tasks": added_tasks(tasks, after or [])}

    async def command(settings: Settings, connection: Connection) -> int:
        answered: dict[str, Any] = await send(connection.client.get_workflow_handle(execution_id), "add_tasks", request)
        if as_json:
            print_json(answered)
        else:
            print(f"{printable(execution_id)}: {printable(', '.join(answered['added']))} {answered['outcome']}")
        return 0

    run_connected(command, as_json=as_json)
