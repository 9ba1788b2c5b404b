"""`watch`: follow an execution to its end."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import sys
from collections.abc import Coroutine
from functools import partial
from typing import Any

from epw.cli.launch import interruptible
from epw.cli.options import JSON_OPTION, PLAIN_OPTION, ExecutionId
from epw.cli.output import INTERRUPTED, printable
from epw.cli.session import run_connected
from epw.cli.show_next import show_end
from epw.cli.shown import errors_held, may_be_live, show_until_end
from epw.client.documents import describe, exit_code
from epw.client.requests import retry_while_unavailable
from epw.client.saved_changes import KnownExecution
from epw.service.connection import Connection
from epw.settings import Settings


def watch(execution_id: ExecutionId, is_plain: bool = PLAIN_OPTION, as_json: bool = JSON_OPTION) -> None:
    """Follow an execution to its end, live in a terminal, else in plain lines; exit code as `run`. With --json the
    lines go to stderr.
    """
    is_live = may_be_live(as_json=as_json, is_plain=is_plain)

    async def command(settings: Settings, connection: Connection) -> int:
        handle = connection.client.get_workflow_handle(execution_id)
        await describe(handle)
        out = sys.stderr if as_json else sys.stdout
        if not is_live:
            await show_until_end(settings, connection, handle, out, is_live=False)
        elif not await _has_ended(show_until_end(settings, connection, handle, out, is_live=True)):
            print(f"left; look again with: epw watch {printable(shlex.quote(execution_id))}", file=sys.stderr)
            return INTERRUPTED
        known = await retry_while_unavailable(partial(KnownExecution.of, settings, connection, execution_id))
        show_end(known, as_json=as_json)
        return exit_code(known.document)

    run_connected(command, as_json=as_json)


async def _has_ended(shown: Coroutine[Any, Any, bool]) -> bool:
    """Wait for the view; false where its user leaves it, or a signal ends this command."""
    async with interruptible() as interrupted:
        with errors_held(is_live=True):
            showing = asyncio.ensure_future(shown)
            waited: list[asyncio.Future[Any]] = [showing, interrupted]
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if showing.done():
                return showing.result()
            showing.cancel()
            with contextlib.suppress(asyncio.CancelledError, BrokenPipeError):
                await showing
            return False
