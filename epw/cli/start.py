"""`start`: start a plan that a worker elsewhere runs."""

from __future__ import annotations

from pathlib import Path

from activities.agents.registry import missing_agents
from epw.cli.options import (
    JSON_OPTION,
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
from epw.cli.output import print_json
from epw.cli.plan_argument import print_notes, read_arguments
from epw.cli.session import run_command, tidy_up
from epw.client.pollers import WORKER_SECONDS, has_worker, without_worker
from epw.client.start import check_runnable, host_for, is_here, start_execution
from epw.core.errors import Unavailable
from epw.core.messages import TASK_QUEUE
from epw.service.connection import connected
from epw.service.pollers import polling_hosts
from epw.settings import Settings


def start(
    plan: PlanOrTasks = None,
    plan_option: PlanFileOption = None,
    after: After = None,
    execution_id: NewId = None,
    agent: PlanAgent = None,
    model: PlanModel = None,
    max_agents: MaxAgents = None,
    sandbox: PlanSandbox = None,
    deliver: PlanDeliver = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Start a plan and print the execution's id; a worker elsewhere (`epw up`) does the work."""

    async def command(settings: Settings) -> int:
        flags = {"agent": agent, "model": model, "maxAgents": max_agents, "sandbox": sandbox, "deliver": deliver}
        file, _ = read_arguments(plan or [], plan_option, after or [], flags)
        if file.plan.workspace is None or Path(file.plan.workspace).exists():
            print_notes(check_runnable(file.plan))
        async with connected(settings) as connection:
            await tidy_up(settings, connection)
            lacks, is_run = missing_agents(file.plan), await has_worker(connection)
            if lacks and connection.is_embedded and not is_run:
                # A worker that runs, or one on another machine, may have what is missing here.
                raise Unavailable("\n".join(lacks))
            host = await host_for(connection)
            handle = await start_execution(connection, file, execution_id, host=host)
            # One that is being started beside this command takes a moment.
            if not is_run and not await has_worker(connection, WORKER_SECONDS):
                print_notes([without_worker(handle.id)])
            elif is_here(file.plan) and host not in await polling_hosts(connection.client, TASK_QUEUE):
                print_notes(["its workspace is on this host, where no worker is: `epw up` or `epw worker` begins it"])
            print_notes(f"not set up here: {each}" for each in lacks)
        print_json({"executionId": handle.id}) if as_json else print(handle.id)
        return 0

    run_command(command, as_json=as_json)
