"""`run`: run a plan to its end."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import typer
from temporalio.client import WorkflowHandle

from epw.cli.launch import run_to_end
from epw.cli.options import (
    JSON_OPTION,
    PLAIN_OPTION,
    After,
    MaxAgents,
    NewId,
    PlanAgent,
    PlanDeliver,
    PlanFileOption,
    PlanModel,
    PlanOrTasks,
    PlanSandbox,
)
from epw.cli.plan_argument import print_notes, read_arguments
from epw.cli.session import run_command
from epw.cli.tick import tick_execution
from epw.client.documents import describe
from epw.client.requests import retry_while_unavailable
from epw.client.start import check_runnable, start_execution
from epw.client.ticking import Ticking
from epw.core.errors import EpwError, InvalidRequest
from epw.service.connection import Connection
from epw.settings import Settings

_WITHOUT_AGENT = "; `--agent` chooses another, and `epw import` prints the plan, to give its tasks a `run`"


def run(
    plan: PlanOrTasks = None,
    plan_option: PlanFileOption = None,
    after: After = None,
    resume: Annotated[str | None, typer.Option("--resume", metavar="ID", help="Go on with an execution.")] = None,
    execution_id: NewId = None,
    agent: PlanAgent = None,
    model: PlanModel = None,
    max_agents: MaxAgents = None,
    sandbox: PlanSandbox = None,
    deliver: PlanDeliver = None,
    tick: Annotated[bool, typer.Option("--tick", help="In the end, tick what is done in an imported file.")] = False,
    is_plain: bool = PLAIN_OPTION,
    as_json: bool = JSON_OPTION,
) -> None:
    """Run a plan, or tasks in words, to the end, with a worker of its own."""
    flags = {"agent": agent, "model": model, "maxAgents": max_agents, "sandbox": sandbox, "deliver": deliver}

    async def command(settings: Settings) -> int:
        given, file, ticking = [*(plan or []), *([plan_option] if plan_option else [])], None, None
        if resume is not None and (given or after):
            raise InvalidRequest("give a plan file, or --resume ID")
        if resume is not None and any(each is not None for each in flags.values()):
            named = next(name for name, each in flags.items() if each is not None)
            option = "max-agents" if named == "maxAgents" else named
            raise InvalidRequest(f"--{option} needs a plan file, or tasks: an execution keeps what it was started with")
        if tick and not given:
            raise InvalidRequest("--tick needs the file; later: epw import --tick ID FILE")
        if resume is None:
            file, path = read_arguments(plan or [], plan_option, after or [], flags)
            ticking = Ticking.of(path) if tick and path is not None else None
            print_notes(check_runnable(file.plan, here=True, without_agent=_WITHOUT_AGENT if file.notes else ""))

        async def begin(connection: Connection) -> WorkflowHandle[Any, Any]:
            if file is not None:
                return await start_execution(connection, file, execution_id)
            handle = connection.client.get_workflow_handle(resume or "")
            await retry_while_unavailable(partial(describe, handle))
            return handle

        async def end(connection: Connection, handle: WorkflowHandle[Any, Any]) -> None:
            if ticking is not None:
                try:
                    print_notes(await tick_execution(settings, connection, handle, ticking))
                except EpwError as error:
                    print_notes([str(error)])

        return await run_to_end(settings, begin, end, as_json=as_json, is_plain=is_plain)

    run_command(command, as_json=as_json)
