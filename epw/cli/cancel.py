"""`cancel`: stop an execution in order, or one of its tasks."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from temporalio.service import RPCError

from epw.cli.options import JSON_OPTION, ExecutionId
from epw.cli.output import print_json, printable
from epw.cli.session import run_connected
from epw.client.documents import describe
from epw.client.pollers import WORKER_SECONDS, has_worker, without_worker
from epw.client.requests import from_rpc, has_ended, require_worker, send
from epw.core.errors import InvalidRequest
from epw.service.connection import Connection
from epw.settings import Settings


def cancel(
    execution_id: ExecutionId,
    task: Annotated[str | None, typer.Argument(metavar="[TASK]", help="Only this task and what depends on it.")] = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Stop an execution, or one task: its agents end, commits are kept. Of an execution nothing is delivered; after
    one task the rest goes on.
    """

    async def command(settings: Settings, connection: Connection) -> int:
        handle = connection.client.get_workflow_handle(execution_id)
        if task is not None:
            await require_worker(connection, handle)
            stopped = await send(handle, "cancel_task", {"taskId": task})
            print_json(stopped) if as_json else print(f"{printable(task)}: {printable(stopped['outcome'])}")
            return 0
        try:
            described = await describe(handle)
            if described.close_time is not None:
                raise InvalidRequest(has_ended(execution_id))
            await handle.cancel()
        except RPCError as error:
            raise from_rpc(error, execution_id) from None
        answer = {"executionId": execution_id, "cancelRequested": True}
        if not await has_worker(connection, WORKER_SECONDS):
            print(f"epw: {printable(without_worker(execution_id, is_cancelled=True))}", file=sys.stderr)
        print_json(answer) if as_json else print(f"{printable(execution_id)}: cancellation requested")
        return 0

    run_connected(command, as_json=as_json)
