"""What every command shares: settings, output, errors with their exit codes, messages to an execution."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, NoReturn, TypeVar

import typer
from temporalio.client import (
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.service import RPCError, RPCStatusCode

from epw.core.errors import EpwError, InvalidPlan, InvalidRequest, Unavailable
from epw.service import janitor
from epw.service.connection import Connection, connected
from epw.service.log import log_to_stderr
from epw.settings import Settings

INTERRUPTED = 130
_MESSAGE_TIMEOUT = timedelta(seconds=8)
_AWAY = (RPCStatusCode.UNAVAILABLE, RPCStatusCode.UNKNOWN, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED)
_PATIENCE_SECONDS = 120.0
_AGAIN_SECONDS = 0.5
_Read = TypeVar("_Read")


def run_command(command: Callable[[Settings], Awaitable[int]], *, as_json: bool = False) -> NoReturn:
    """Run a command to its exit code; an error is told in one place, as text or as JSON."""
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
        # Whoever read what this command says has gone; what was running goes on where there is a worker.
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
    """As `run_command`, with a connection to Temporal. `tidy`: first put right what ended executions left."""

    async def with_connection(settings: Settings) -> int:
        async with connected(settings) as connection:
            if tidy:
                await tidy_up(settings, connection)
            return await command(settings, connection)

    run_command(with_connection, as_json=as_json)


async def tidy_up(settings: Settings, connection: Connection) -> None:
    """Put right what ended executions left, and tell it."""
    for line in await janitor.tidy(connection.client, settings.home):
        print(f"epw: {printable(line)}", file=sys.stderr, flush=True)


def exit_process(code: int) -> NoReturn:
    """End the process. The SDK's threads can abort an interpreter that shuts down (sdk-python issue 300)."""
    for stream in (sys.stdout, sys.stderr):
        # Nobody may be there to read it, or no disk to hold it: what was done was done all the same.
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(document, indent=2, ensure_ascii=False).encode("utf-8", "replace").decode(), flush=True)


def console_print(text: str) -> None:
    """A line of unknown origin on standard output."""
    print(printable(text), flush=True)


def printable(text: str) -> str:
    """Text of unknown origin for a terminal: control characters are shown, not obeyed."""
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in text)


async def retry_while_unavailable(read: Callable[[], Awaitable[_Read]]) -> _Read:
    """What `read` finds; who follows an execution rides out a server that is away for up to two minutes."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + _PATIENCE_SECONDS
    while True:
        try:
            return await read()
        except RPCError as error:
            if error.status not in _AWAY or clock() > deadline:
                raise
        await asyncio.sleep(_AGAIN_SECONDS)


async def send(handle: WorkflowHandle[Any, Any], update: str, request: dict[str, Any]) -> dict[str, Any]:
    """An update's answer; raises `InvalidRequest` where it is refused, `Unavailable` where nobody listens."""
    try:
        # Not the call's own time-out: an update that no worker has taken yet stays pending without one.
        answer: dict[str, Any] = await asyncio.wait_for(
            handle.execute_update(update, request), _MESSAGE_TIMEOUT.total_seconds()
        )
    except WorkflowUpdateFailedError as error:
        raise InvalidRequest(str(getattr(error.cause, "message", None) or error.cause)) from None
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
        raise no_worker() from None
    except RPCError as error:
        raise from_rpc(error, handle.id) from None
    return answer


def no_worker() -> Unavailable:
    return Unavailable("no worker polls the queue: run `up`, `run --resume ID`, or `python worker.py`, then again")


def from_rpc(error: RPCError, execution_id: str) -> EpwError:
    """A server's refusal in words."""
    if error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT):
        ended = "already completed" in error.message
        why = "has ended" if ended else "is not known; `list` shows the executions there are"
        return InvalidRequest(f"execution {execution_id!r} {why}")
    if error.status in (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED):
        return no_worker()
    return Unavailable(f"Temporal: {error.message}")


def _error_document(error: EpwError) -> dict[str, Any]:
    document: dict[str, Any] = {"type": error.type, "message": str(error)}
    if isinstance(error, InvalidPlan):
        document["problems"] = [{"path": each.path, "message": each.message} for each in error.problems]
    return document


async def _awaited(command: Callable[[Settings], Awaitable[int]], settings: Settings) -> int:
    return await command(settings)


JSON_OPTION: Any = typer.Option(False, "--json", help="One JSON document on standard output, nothing else.")
