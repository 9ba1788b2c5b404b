"""Frame of the commands that speak to Temporal: its connection and its errors."""

from __future__ import annotations

import logging
import sys
from collections.abc import Awaitable, Callable
from typing import NoReturn

from temporalio.service import RPCError

from epw.cli.offline import run_offline
from epw.cli.output import printable
from epw.core.errors import Unavailable
from epw.service.connection import Connection, connected
from epw.service.log import log_to_stderr
from epw.service.server_errors import cause
from epw.settings import Settings


def run_command(command: Callable[[Settings], Awaitable[int]], *, as_json: bool = False) -> NoReturn:
    """Run a command to its exit code, as `run_offline`; it may speak to a server."""
    log_to_stderr(logging.ERROR)

    async def online(settings: Settings) -> int:
        try:
            return await command(settings)
        except RPCError as error:
            raise Unavailable(f"the Temporal server went away or refused: {cause(error.message)}") from None

    run_offline(online, as_json=as_json)


def run_connected(
    command: Callable[[Settings, Connection], Awaitable[int]], *, as_json: bool = False, tidy: bool = True
) -> NoReturn:
    """As `run_command`, with a connection to Temporal. `tidy`: first tidy up after ended executions."""

    async def with_connection(settings: Settings) -> int:
        async with connected(settings) as connection:
            if tidy:
                await tidy_up(settings, connection)
            return await command(settings, connection)

    run_command(with_connection, as_json=as_json)


async def tidy_up(settings: Settings, connection: Connection) -> None:
    """Tidy up after executions that were terminated, drop what is too old or too much, and print what was done."""
    # A command that does not tidy up starts faster without.
    from epw.client.retention import retain
    from epw.service import janitor

    done = await janitor.tidy(connection.client, settings.state)
    for line in [*done, *await retain(settings, connection)]:
        print(f"epw: {printable(line)}", file=sys.stderr, flush=True)
