"""`watch`: follow an execution to its end."""

from __future__ import annotations

import sys
from functools import partial

from epw.cli.follow import follow
from epw.cli.options import JSON_OPTION, ExecutionId
from epw.cli.session import run_connected
from epw.cli.show_next import show_end
from epw.client.documents import describe, exit_code
from epw.client.requests import retry_while_unavailable
from epw.client.saved_changes import KnownExecution
from epw.service.connection import Connection
from epw.settings import Settings


def watch(execution_id: ExecutionId, as_json: bool = JSON_OPTION) -> None:
    """Follow an execution in plain lines until it ends; exit code as `run`. With --json the lines go to stderr."""

    async def command(settings: Settings, connection: Connection) -> int:
        handle = connection.client.get_workflow_handle(execution_id)
        await describe(handle)
        await follow(connection, handle, sys.stderr if as_json else sys.stdout)
        known = await retry_while_unavailable(partial(KnownExecution.of, settings, connection, execution_id))
        show_end(known, as_json=as_json)
        return exit_code(known.document)

    run_connected(command, as_json=as_json)
