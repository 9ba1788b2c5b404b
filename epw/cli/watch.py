"""`watch`: follow an execution to its end."""

from __future__ import annotations

import sys
from functools import partial

from epw.cli.follow import follow
from epw.cli.options import JSON_OPTION, ExecutionId
from epw.cli.output import print_json
from epw.cli.session import run_connected
from epw.cli.show import show_result
from epw.client.documents import describe, exit_code, full_document
from epw.client.requests import retry_while_unavailable
from epw.service.connection import Connection
from epw.settings import Settings


def watch(execution_id: ExecutionId, as_json: bool = JSON_OPTION) -> None:
    """Follow an execution in plain lines until it ends; exit code as `run`. With --json the lines go to stderr."""

    async def command(settings: Settings, connection: Connection) -> int:
        handle = connection.client.get_workflow_handle(execution_id)
        await describe(handle)
        await follow(connection, handle, sys.stderr if as_json else sys.stdout)
        result = await retry_while_unavailable(partial(full_document, settings, handle))
        print_json(result) if as_json else show_result(result)
        return exit_code(result)

    run_connected(command, as_json=as_json)
