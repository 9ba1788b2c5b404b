"""`export`: the tool calls that tell other MCP servers what an execution has done."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from epw.cli.options import JSON_OPTION, ExecutionId
from epw.cli.output import print_json
from epw.cli.session import run_connected
from epw.client.documents import full_document
from epw.client.started_plan import plan_of, with_added
from epw.core.plan.validate import read_plan
from epw.importers.handoffs import HAND_OFFS, HandOff, hand_off, require_kind
from epw.service.connection import Connection
from epw.settings import Settings

_WORKFLOW = "Name of the workflow; default: that of the imported file, else the goal, the name of the plan, or ID."


def export(
    execution_id: ExecutionId,
    kind: Annotated[str, typer.Option("--as", help=f"What to print: {' or '.join(HAND_OFFS)}.")],
    goal: Annotated[str | None, typer.Option(help="The goal, where the tasks name none.")] = None,
    workflow: Annotated[str | None, typer.Option(help=_WORKFLOW)] = None,
    project: Annotated[str | None, typer.Option(help="Path of the project; default: the workspace.")] = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Print the calls that report an execution to other MCP servers: one JSON object a line; --json: an array."""

    async def command(settings: Settings, connection: Connection) -> int:
        require_kind(kind)
        handle = connection.client.get_workflow_handle(execution_id)
        document = await full_document(settings, handle)
        plan = read_plan(with_added(await plan_of(connection, handle), document), runnable=False)
        calls = hand_off(kind, HandOff(execution_id, plan, document["results"], goal, workflow, project))
        if as_json:
            print_json(calls)
        else:
            for call in calls:
                print(json.dumps(call, ensure_ascii=False), flush=True)
        return 0

    run_connected(command, as_json=as_json)
