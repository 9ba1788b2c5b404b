"""`run`, `start`, `watch`: an execution from its plan to its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from temporalio.client import WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from activities.agents.environment import require_agents, require_bash
from activities.git.command import require_git
from activities.git.workspace import Workspace
from activities.sandbox.levels import require_sandbox
from epw.cli.documents import describe, exit_code, full_document
from epw.cli.plan_file import read_plan_file
from epw.cli.session import (
    INTERRUPTED,
    JSON_OPTION,
    print_json,
    printable,
    retry_while_unavailable,
    run_command,
    run_connected,
    tidy_up,
)
from epw.cli.show import show_result
from epw.cli.watching import watch
from epw.core.errors import InvalidRequest
from epw.core.messages import TASK_QUEUE, WORKFLOW_TYPE, Redrive
from epw.core.plan.model import Plan
from epw.core.plan.validate import read_plan
from epw.service.connection import Connection, connected
from epw.service.worker_supervisor import supervised_worker
from epw.settings import Settings

_SECOND_SIGNAL_SECONDS = 0.5
IdOption = Annotated[str | None, typer.Option("--id", help="The execution's id (default: made from the plan's name).")]


def run(
    plan: Annotated[str | None, typer.Argument(help="A plan file, JSON or YAML; - for standard input.")] = None,
    resume: Annotated[str | None, typer.Option("--resume", metavar="ID", help="Go on with an execution.")] = None,
    execution_id: IdOption = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Run a plan to its end, with a worker of its own."""

    async def command(settings: Settings) -> int:
        if (plan is None) == (resume is None):
            raise InvalidRequest("give a plan file, or --resume ID")
        document = None
        if plan is not None:
            document = read_plan_file(plan)
            check_runnable(read_plan(document), here=True)

        async def begin(connection: Connection) -> WorkflowHandle[Any, Any]:
            if document is not None:
                return await start_execution(connection, document, execution_id)
            handle = connection.client.get_workflow_handle(resume or "")
            await retry_while_unavailable(partial(describe, handle))
            return handle

        return await to_the_end(settings, begin, as_json=as_json)

    run_command(command, as_json=as_json)


async def to_the_end(
    settings: Settings, begin: Callable[[Connection], Awaitable[WorkflowHandle[Any, Any]]], *, as_json: bool
) -> int:
    """Keep a worker until the execution that `begin` names has ended; its exit code."""
    log = sys.stderr if as_json else sys.stdout
    async with connected(settings) as connection, interruptible() as interrupted:
        if connection.web_ui:
            print(f"Temporal Web UI: {connection.web_ui}", file=log, flush=True)
        await tidy_up(settings, connection)
        async with supervised_worker(settings) as worker:
            handle = await begin(connection)
            with contextlib.suppress(BrokenPipeError):
                print(f"execution: {printable(handle.id)}", file=log, flush=True)
            watching = asyncio.ensure_future(watch(connection, handle, log))
            await asyncio.wait([watching, interrupted, worker], return_when=asyncio.FIRST_COMPLETED)
            # Who read what this command says may have gone: then it has nobody to work for.
            unread = watching.done() and isinstance(watching.exception(), BrokenPipeError)
            if unread or not watching.done():
                watching.cancel()
                if worker.done():
                    worker.result()
                with contextlib.suppress(BrokenPipeError):
                    print(f"stopped; go on with: epw run --resume {printable(handle.id)}", file=sys.stderr, flush=True)
                    if as_json:
                        stopped = {"success": False, "status": "running", "executionId": handle.id}
                        print_json({**stopped, "interrupted": True})
                return INTERRUPTED
            watching.result()
            result = await retry_while_unavailable(partial(full_document, settings, handle))
        # What a worker that was killed at the very end has left, nobody attends to any more.
        with contextlib.suppress(RPCError):
            await tidy_up(settings, connection)
    with contextlib.suppress(BrokenPipeError):
        print_json(result) if as_json else show_result(result)
    return exit_code(result)


def start(
    plan: Annotated[str, typer.Argument(help="A plan file, JSON or YAML; - for standard input.")],
    execution_id: IdOption = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Start a plan and print the execution's id; a worker elsewhere (`up`, worker.py) does the work."""

    async def command(settings: Settings) -> int:
        document = read_plan_file(plan)
        checked = read_plan(document)
        if checked.workspace is None or Path(checked.workspace).exists():
            check_runnable(checked)
        async with connected(settings) as connection:
            await tidy_up(settings, connection)
            handle = await start_execution(connection, document, execution_id)
            if connection.is_embedded and not await _has_worker(connection):
                print(
                    f"no worker yet: `epw up` or `epw run --resume {handle.id}` does the work",
                    file=sys.stderr,
                )
        print_json({"executionId": handle.id}) if as_json else print(handle.id)
        return 0

    run_command(command, as_json=as_json)


def watch_command(execution_id: Annotated[str, typer.Argument(metavar="ID")], as_json: bool = JSON_OPTION) -> None:
    """Follow an execution in plain lines until it ends; exit code as `run`. With --json the lines go to stderr."""

    async def command(settings: Settings, connection: Connection) -> int:
        handle = connection.client.get_workflow_handle(execution_id)
        await describe(handle)
        await watch(connection, handle, sys.stderr if as_json else sys.stdout)
        result = await retry_while_unavailable(partial(full_document, settings, handle))
        print_json(result) if as_json else show_result(result)
        return exit_code(result)

    run_connected(command, as_json=as_json)


def check_runnable(plan: Plan, *, here: bool = False) -> None:
    """What can be said before anything starts: git and bash are there, the workspace can be used.

    `here`: by a worker that this command keeps.
    """
    if here:
        require_agents(plan)
        require_sandbox(plan)
    if plan.workspace is not None or any(plan.agent_of(task) == "command" for task in plan.tasks):
        require_git()
        if here:
            require_bash()
    if plan.workspace is not None:
        workspace = Workspace.read(plan.workspace)
        workspace.check_delivery(plan)
        if plan.base is not None:
            workspace.at(plan.base)


async def start_execution(
    connection: Connection,
    document: dict[str, Any],
    execution_id: str | None,
    redrive: Redrive | None = None,
) -> WorkflowHandle[Any, Any]:
    """Start the workflow; raises `InvalidRequest` where an execution of this id exists."""
    plan = read_plan(document)
    chosen = new_id(plan.name) if execution_id is None else execution_id
    if not 1 <= len(chosen) <= 200 or not chosen.isprintable():
        raise InvalidRequest("an execution's id has 1 to 200 printable characters")
    summary = f"{plan.name or 'plan'}: {len(plan.tasks)} tasks, {plan.strategy}"
    lines = [f"- {task.id}: {' '.join(task.description.split())[:100]}" for task in plan.tasks[:50]]
    try:
        started = await connection.client.start_workflow(
            WORKFLOW_TYPE,
            args=[document] if redrive is None else [document, redrive],
            id=chosen,
            task_queue=TASK_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            static_summary=summary[:200],
            static_details="\n".join(lines),
        )
    except WorkflowAlreadyStartedError:
        message = f"an execution {chosen} exists already: `run --resume {chosen}`, `watch {chosen}`, or another --id"
        raise InvalidRequest(message) from None
    # Of whatever run is the newest: a reset starts another.
    return connection.client.get_workflow_handle(started.id)


def new_id(name: str | None) -> str:
    """A readable id that no other execution has."""
    words = re.sub(r"[^a-z0-9]+", "-", (name or "run").lower()).strip("-")[:40] or "run"
    return f"{words}-{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


async def _has_worker(connection: Connection) -> bool:
    from temporalio.api.enums.v1 import TaskQueueType
    from temporalio.api.taskqueue.v1 import TaskQueue
    from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest

    request = DescribeTaskQueueRequest(
        namespace=connection.client.namespace,
        task_queue=TaskQueue(name=TASK_QUEUE),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    described = await connection.client.workflow_service.describe_task_queue(request)
    recent = datetime.now().timestamp() - 65
    return any(poller.last_access_time.seconds > recent for poller in described.pollers)


@asynccontextmanager
async def interruptible() -> AsyncIterator[asyncio.Future[None]]:
    """A future that Ctrl-C or SIGTERM completes, so that the command can stop in order."""
    loop = asyncio.get_running_loop()
    interrupted: asyncio.Future[None] = loop.create_future()

    first = 0.0

    def interrupt() -> None:
        nonlocal first
        if not interrupted.done():
            first = loop.time()
            interrupted.set_result(None)
        elif loop.time() - first > _SECOND_SIGNAL_SECONDS:
            # A user's second Ctrl-C; at once after the first it is the same signal, sent to the group as well.
            os._exit(INTERRUPTED)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, interrupt)
    try:
        yield interrupted
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
