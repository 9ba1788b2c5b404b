"""Start executions and follow them to their end, with a worker of the command's own."""

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
from typing import Any

from temporalio.client import WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from activities.agents.registry import require_agents, require_bash
from activities.git.command import require_git
from activities.git.workspace import Workspace
from activities.sandbox.levels import require_sandbox
from epw.cli.documents import exit_code, full_document
from epw.cli.follow import follow
from epw.cli.output import INTERRUPTED, print_json, printable
from epw.cli.plan_file import PlanFile
from epw.cli.requests import retry_while_unavailable
from epw.cli.session import tidy_up
from epw.cli.show import show_result
from epw.core.errors import InvalidRequest
from epw.core.messages import TASK_QUEUE, WORKFLOW_TYPE, Redrive
from epw.core.plan.model import Plan
from epw.service.connection import Connection, connected
from epw.service.worker_supervisor import supervised_worker
from epw.settings import Settings

_SECOND_SIGNAL_SECONDS = 0.5


async def run_to_end(
    settings: Settings, begin: Callable[[Connection], Awaitable[WorkflowHandle[Any, Any]]], *, as_json: bool
) -> int:
    """Keep a worker running until the execution that `begin` starts or finds has ended; its exit code."""
    log = sys.stderr if as_json else sys.stdout
    async with connected(settings) as connection, interruptible() as interrupted:
        if connection.web_ui:
            print(f"Temporal Web UI: {connection.web_ui}", file=log, flush=True)
        await tidy_up(settings, connection)
        async with supervised_worker(settings) as worker:
            handle = await begin(connection)
            with contextlib.suppress(BrokenPipeError):
                print(f"execution: {printable(handle.id)}", file=log, flush=True)
            watching = asyncio.ensure_future(follow(connection, handle, log))
            await asyncio.wait([watching, interrupted, worker], return_when=asyncio.FIRST_COMPLETED)
            # The reader of our output may have gone: then nobody waits for this command.
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
        # A worker that was killed at the very end may have left something, and no other one follows.
        with contextlib.suppress(RPCError):
            await tidy_up(settings, connection)
    with contextlib.suppress(BrokenPipeError):
        print_json(result) if as_json else show_result(result)
    return exit_code(result)


def check_runnable(plan: Plan, *, here: bool = False) -> None:
    """Check what can be checked before anything starts: git, bash, the workspace; raises `InvalidPlan`, `Unavailable`.

    `here`: the plan is run by a worker that this command starts, so that its agents are checked too.
    """
    if here:
        require_agents(plan)
        require_sandbox(plan)
    if plan.workspace is not None or plan.has_commands:
        require_git()
        if here:
            require_bash()
    if plan.workspace is not None:
        workspace = Workspace.read(plan.workspace)
        workspace.check_delivery(plan)
        if plan.base is not None:
            workspace.at(plan.base)


async def start_execution(
    connection: Connection, file: PlanFile, execution_id: str | None, redrive: Redrive | None = None
) -> WorkflowHandle[Any, Any]:
    """Start the workflow; raises `InvalidRequest` where an execution of this id exists."""
    plan = file.plan
    chosen = new_id(plan.name) if execution_id is None else execution_id
    if not 1 <= len(chosen) <= 200 or not chosen.isprintable():
        raise InvalidRequest("an execution's id has 1 to 200 printable characters")
    summary = f"{plan.name or 'plan'}: {len(plan.tasks)} tasks, {plan.strategy}"
    lines = [f"- {task.id}: {' '.join(task.description.split())[:100]}" for task in plan.tasks[:50]]
    try:
        started = await connection.client.start_workflow(
            WORKFLOW_TYPE,
            args=[file.document] if redrive is None else [file.document, redrive],
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
    # Without a run id it follows a reset to the new run.
    return connection.client.get_workflow_handle(started.id)


def new_id(name: str | None) -> str:
    """Readable id that no other execution has."""
    words = re.sub(r"[^a-z0-9]+", "-", (name or "run").lower()).strip("-")[:40] or "run"
    return f"{words}-{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


@asynccontextmanager
async def interruptible() -> AsyncIterator[asyncio.Future[None]]:
    """Future that Ctrl-C, SIGTERM or SIGHUP completes, so that the command can stop in order."""
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
