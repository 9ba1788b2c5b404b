"""`retry`: start an execution that takes over what succeeded in an earlier one (redrive)."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from temporalio.client import WorkflowHandle

from activities.state.execution_store import ExecutionStore
from epw.cli.documents import describe, document_of
from epw.cli.launch import check_runnable, run_to_end, start_execution
from epw.cli.options import JSON_OPTION, NewId
from epw.cli.output import printable
from epw.cli.plan_file import PlanFile, read_plan_file
from epw.cli.session import run_command
from epw.core.errors import InvalidRequest
from epw.core.execution.reuse import reusable
from epw.core.messages import Redrive
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
        file = read_plan_file(changed) if changed is not None else None
        if file is not None:
            check_runnable(file.plan, here=True)

        async def begin(connection: Connection) -> WorkflowHandle[Any, Any]:
            return await _redriven(settings, connection, execution_id, file, new_id)

        return await run_to_end(settings, begin, as_json=as_json)

    run_command(command, as_json=as_json)


async def _redriven(
    settings: Settings, connection: Connection, earlier: str, changed: PlanFile | None, new_id: str | None
) -> WorkflowHandle[Any, Any]:
    handle = connection.client.get_workflow_handle(earlier)
    described = await describe(handle)
    if described.close_time is None:
        raise InvalidRequest(f"execution {earlier!r} is still running: `cancel` it, or `watch` it to its end")
    before = PlanFile.of(await plan_of(connection, handle))
    rows = {row["taskId"]: row for row in (await document_of(settings, handle, described))["results"]}
    after = changed or before
    commits, reasons = reusable(before.plan, after.plan, rows)
    print(f"taken over from {printable(earlier)}: {len(commits)} of {len(after.plan.tasks)} tasks", file=sys.stderr)
    for task_id, why in reasons.items():
        print(f"  runs: {printable(task_id)} ({printable(why)})", file=sys.stderr)
    kept = [task_id for task_id in commits if rows[task_id].get("kept")]
    redrive = Redrive(of=earlier, commits=commits, chain=ExecutionStore.of(settings.state, described).run_id, kept=kept)
    return await start_execution(connection, after, new_id, redrive)


async def plan_of(connection: Connection, handle: WorkflowHandle[Any, Any]) -> dict[str, Any]:
    """Plan document that an execution was started with; raises `InvalidRequest`."""
    async for event in handle.fetch_history_events(page_size=1):
        payloads = event.workflow_execution_started_event_attributes.input.payloads
        (document,) = await connection.client.data_converter.decode(payloads[:1])
        found: dict[str, Any] = document
        return found
    raise InvalidRequest(f"execution {handle.id!r} has no history")
