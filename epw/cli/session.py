"""Frame of every command: settings, connection, errors with their exit codes."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

from temporalio.service import RPCError

from epw.cli.output import INTERRUPTED, exit_process, print_json, printable
from epw.core.errors import EpwError, InvalidPlan, Unavailable
from epw.service import janitor
from epw.service.connection import Connection, connected
from epw.service.log import log_to_stderr
from epw.settings import Settings


def run_command(command: Callable[[Settings], Awaitable[int]], *, as_json: bool = False) -> NoReturn:
    """Run a command to its exit code; errors become text or JSON here, and nowhere else."""
    settings = Settings.from_environment()
    log_to_stderr(logging.ERROR)
    try:
        code = asyncio.run(_awaited(command, settings))
    except EpwError as error:
        if as_json:
            print_json({"success": False, "error": _error_document(error)})
        print(f"epw: {printable(str(error))}", file=sys.stderr)
        code = error.exit_code
    except RPCError as error:
        print(f"epw: the Temporal server went away or refused: {printable(error.message)}", file=sys.stderr)
        code = Unavailable.exit_code
    except BrokenPipeError:
        # The reader of our output has gone; what runs goes on where there is a worker.
        code = INTERRUPTED
    except OSError as error:
        where = f": {printable(os.fsdecode(error.filename))}" if isinstance(error.filename, str | bytes) else ""
        print(f"epw: {error.strerror or error}{where}", file=sys.stderr)
        code = Unavailable.exit_code
    except KeyboardInterrupt:
        code = INTERRUPTED
    exit_process(code)


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
    """Tidy up after executions that were terminated, and print what was done."""
    for line in await janitor.tidy(connection.client, settings.home):
        print(f"epw: {printable(line)}", file=sys.stderr, flush=True)


def _error_document(error: EpwError) -> dict[str, Any]:
    document: dict[str, Any] = {"type": error.type, "message": str(error)}
    if isinstance(error, InvalidPlan):
        document["problems"] = [{"path": each.path, "message": each.message} for each in error.problems]
    return document


async def _awaited(command: Callable[[Settings], Awaitable[int]], settings: Settings) -> int:
    return await command(settings)
