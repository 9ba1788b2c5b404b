"""`retry`: run one task of a running execution again, or what is not done of one that has ended (redrive)."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from temporalio.client import WorkflowHandle

from epw.cli.launch import run_to_end
from epw.cli.options import JSON_OPTION, NewId
from epw.cli.output import print_json, printable
from epw.cli.plan_argument import print_notes, read_plan_argument
from epw.cli.session import run_command
from epw.client.documents import describe
from epw.client.redrive import RedrivePlan, plan_redrive
from epw.client.requests import require_worker, send
from epw.client.start import check_runnable
from epw.core.amounts import count, few
from epw.core.errors import InvalidRequest
from epw.core.execution.reuse import GONE
from epw.service.connection import Connection, connected
from epw.settings import Settings

_SHORT = 10


def retry(
    execution_id: Annotated[str, typer.Argument(metavar="ID", help="The execution to begin from.")],
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[TASK | PLAN]", help="While it runs: the task to run again. After its end: a changed plan."
        ),
    ] = None,
    plan: Annotated[str | None, typer.Option("--plan", help="After its end: a changed plan.")] = None,
    new_id: NewId = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run and why; start nothing.")] = False,
    as_json: bool = JSON_OPTION,
) -> None:
    """Run a plan again, without what succeeded and would see nothing new; says what runs and why. While the execution
    runs: run one task again, and what depends on it.
    """

    async def command(settings: Settings) -> int:
        async with connected(settings) as connection:
            handle = connection.client.get_workflow_handle(execution_id)
            if (await describe(handle)).close_time is None:
                return await _retry_task(connection, handle, target if plan is None else None, as_json=as_json)
            file = _changed_plan(execution_id, target, plan)
            if dry_run:
                made = await plan_redrive(settings, connection, execution_id, file)
                _show(made, execution_id)
                if as_json:
                    print_json({"of": execution_id, "takesOver": made.redrive.commits, "runs": made.reasons})
                return 0

            async def begin(connection: Connection) -> WorkflowHandle[Any, Any]:
                made = await plan_redrive(settings, connection, execution_id, file)
                _show(made, execution_id)
                if file is None:
                    print_notes(check_runnable(made.file.plan, here=True))
                return await made.start(connection, new_id)

            return await run_to_end(settings, begin, as_json=as_json)

    run_command(command, as_json=as_json)


async def _retry_task(
    connection: Connection, handle: WorkflowHandle[Any, Any], task: str | None, *, as_json: bool
) -> int:
    if task is None:
        name = shlex.quote(handle.id)
        raise InvalidRequest(
            f"execution {handle.id!r} is still running: `epw retry {name} TASK` runs one task again; "
            f"`epw cancel {name}` or `epw watch {name}` to its end, then `epw retry {name}` runs what is not done"
        )
    await require_worker(connection, handle)
    answered = await send(handle, "retry_task", {"taskId": task})
    print_json(answered) if as_json else print(f"{printable(task)}: {printable(answered['outcome'])}")
    return 0


def _changed_plan(execution_id: str, target: str | None, plan: str | None) -> Any:
    """The changed plan that was named, or None; raises `InvalidRequest` for a task of an execution that has ended."""
    named = plan if plan is not None else target
    if named is None:
        return None
    if plan is None and named != "-" and not Path(named).exists():
        raise InvalidRequest(
            f"{named!r} is no plan file, and {execution_id!r} has ended, so that no task of it runs again by itself; "
            f"`epw retry {shlex.quote(execution_id)}` runs what is not done, as a new execution"
        )
    file = read_plan_argument(named)
    print_notes(check_runnable(file.plan, here=True))
    return file


def _show(made: RedrivePlan, execution_id: str) -> None:
    """Print what is taken over and what runs, and why."""
    taken, tasks = made.redrive.commits, [task.id for task in made.file.plan.tasks]
    lines = [f"taken over from {execution_id}: {len(taken)} of {count(len(tasks), 'task')}"]
    if gone := [task_id for task_id, why in made.reasons.items() if why == GONE]:
        what = f"the changes of {few(gone)}" if taken else "its changes"
        again = "" if taken else f"; all {count(len(tasks), 'task')} run again"
        lines.insert(0, f"{what} are gone: `epw gc` has removed them{again}")
    for task_id in tasks:
        if task_id in taken:
            commit = taken[task_id]
            lines.append(f"  keeps: {task_id} ({commit[:_SHORT] if commit else 'it changed nothing'})")
        else:
            lines.append(f"  runs: {task_id} ({made.reasons[task_id]})")
    for line in lines:
        print(printable(line), file=sys.stderr)
    print_notes([made.note] if made.note else [])
