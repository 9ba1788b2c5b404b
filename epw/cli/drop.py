"""`drop`: another branch, without the change of one task."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from temporalio.client import WorkflowHandle

from epw.cli.launch import run_to_end
from epw.cli.options import JSON_OPTION, ExecutionId, NewId
from epw.cli.output import printable
from epw.cli.session import run_command
from epw.client.drop import plan_drop
from epw.core.amounts import count, few
from epw.service.connection import Connection
from epw.settings import Settings


def drop(
    execution_id: ExecutionId,
    task: Annotated[str, typer.Argument(metavar="TASK", help="The task to leave out, with what depends on it.")],
    new_id: NewId = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Make another branch, without one task and its descendants: merged and verified again, no agent runs."""

    async def command(settings: Settings) -> int:
        async def begin(connection: Connection) -> WorkflowHandle[Any, Any]:
            made = await plan_drop(settings, connection, execution_id, task, new_id)
            names = ", ".join(printable(each) for each in made.dropped if each not in made.unfinished)
            others = printable(few(made.unfinished, most=20))
            more = f", and what had not succeeded: {others}" if others else ""
            stay = count(len(made.plan.redrive.commits), "task stays", "tasks stay")
            print(f"without: {names}{more}; {stay}", file=sys.stderr, flush=True)
            return await made.plan.start(connection, made.execution_id)

        return await run_to_end(settings, begin, as_json=as_json)

    run_command(command, as_json=as_json)
