"""`cancel`: stop an execution in order."""

from __future__ import annotations

from temporalio.service import RPCError

from epw.cli.options import JSON_OPTION, ExecutionId
from epw.cli.output import print_json, printable
from epw.cli.session import run_connected
from epw.client.documents import describe
from epw.client.requests import from_rpc
from epw.core.errors import InvalidRequest
from epw.service.connection import Connection
from epw.settings import Settings


def cancel(execution_id: ExecutionId, as_json: bool = JSON_OPTION) -> None:
    """Stop an execution: its agents end, nothing is delivered, commits are kept."""

    async def command(settings: Settings, connection: Connection) -> int:
        handle = connection.client.get_workflow_handle(execution_id)
        try:
            described = await describe(handle)
            if described.close_time is not None:
                raise InvalidRequest(f"execution {execution_id!r} has ended")
            await handle.cancel()
        except RPCError as error:
            raise from_rpc(error, execution_id) from None
        answer = {"executionId": execution_id, "cancelRequested": True}
        print_json(answer) if as_json else print(f"{printable(execution_id)}: cancellation requested")
        return 0

    run_connected(command, as_json=as_json)
