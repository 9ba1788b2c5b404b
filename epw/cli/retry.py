"""`retry`: start an execution that takes over what succeeded in an earlier one (redrive)."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from temporalio.client import WorkflowHandle

from epw.cli.launch import run_to_end
from epw.cli.options import JSON_OPTION, NewId
from epw.cli.output import printable
from epw.cli.plan_argument import read_plan_argument
from epw.cli.session import run_command
from epw.client.redrive import plan_redrive
from epw.client.start import check_runnable
from epw.service.connection import Connection
from epw.settings import Settings


def retry(
    execution_id: Annotated[str, typer.Argument(metavar="ID", help="The execution to begin from.")],
    plan: Annotated[str | None, typer.Argument(help="A changed plan (default: the same).")] = None,
    plan_option: Annotated[str | None, typer.Option("--plan", help="As the argument PLAN.")] = None,
    new_id: NewId = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Run a plan again, without what succeeded and would see nothing new; says what runs and why."""

    async def command(settings: Settings) -> int:
        changed = plan or plan_option
        file = read_plan_argument(changed) if changed is not None else None
        if file is not None:
            check_runnable(file.plan, here=True)

        async def begin(connection: Connection) -> WorkflowHandle[Any, Any]:
            made = await plan_redrive(settings, connection, execution_id, file)
            count, total = len(made.redrive.commits), len(made.file.plan.tasks)
            print(f"taken over from {printable(execution_id)}: {count} of {total} tasks", file=sys.stderr)
            for task_id, why in made.reasons.items():
                print(f"  runs: {printable(task_id)} ({printable(why)})", file=sys.stderr)
            return await made.start(connection, new_id)

        return await run_to_end(settings, begin, as_json=as_json)

    run_command(command, as_json=as_json)
