"""Start executions and follow them to their end, with a worker of the command's own."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from temporalio.client import WorkflowHandle
from temporalio.service import RPCError

from epw.cli.output import INTERRUPTED, exit_process, print_json, printable
from epw.cli.session import tidy_up
from epw.cli.show_next import show_end
from epw.cli.shown import errors_held, may_be_live, show_until_end
from epw.client.documents import describe, exit_code
from epw.client.pollers import has_worker
from epw.client.requests import retry_while_unavailable
from epw.client.saved_changes import KnownExecution
from epw.client.web_ui import page_of
from epw.core.errors import Unavailable
from epw.service.connection import Connection, connected
from epw.service.startup import NOTHING_BEGUN
from epw.service.worker_supervisor import held_worker
from epw.settings import Settings

_SECOND_SIGNAL_SECONDS = 0.5


async def run_to_end(
    settings: Settings,
    begin: Callable[[Connection], Awaitable[WorkflowHandle[Any, Any]]],
    end: Callable[[Connection, WorkflowHandle[Any, Any]], Awaitable[None]] | None = None,
    *,
    as_json: bool,
    is_plain: bool = False,
) -> int:
    """Keep a worker running until the execution that `begin` starts or finds has ended; its exit code.

    `end`: called when it has ended, before its result is printed. `is_plain`: lines, in a terminal too.
    """
    log = sys.stderr if as_json else sys.stdout
    is_live = may_be_live(as_json=as_json, is_plain=is_plain)
    async with contextlib.AsyncExitStack() as stack:
        # First: the worker inherits where its errors go.
        errors = stack.enter_context(contextlib.ExitStack())
        errors.enter_context(errors_held(is_live=is_live))
        held = await stack.enter_async_context(held_worker(settings))
        connection = await stack.enter_async_context(_connected(settings))
        interrupted = await stack.enter_async_context(interruptible())
        await tidy_up(settings, connection)
        with errors:
            async with held.released() as worker:
                if interrupted.done():
                    _say_nothing_begun()
                    return INTERRUPTED
                handle = await begin(connection)
                with contextlib.suppress(BrokenPipeError):
                    print(f"execution: {printable(handle.id)}", file=log, flush=True)
                    if connection.web_ui:
                        while_up = " (while this command or another runs)" if connection.is_embedded else ""
                        page = page_of(connection, await describe(handle))
                        print(f"Temporal Web UI{while_up}: {page}", file=log, flush=True)
                shown = show_until_end(settings, connection, handle, log, is_live=is_live, own_worker=True)
                showing = asyncio.ensure_future(shown)
                has_ended = await _has_ended(showing, interrupted, worker)
                if has_ended:
                    known = await retry_while_unavailable(partial(KnownExecution.of, settings, connection, handle.id))
            if not has_ended:
                await _say_stopped(connection, handle.id, as_json=as_json)
                return INTERRUPTED
        if end is not None:
            await end(connection, handle)
        # A worker that was killed at the very end may have left something, and no other one follows.
        with contextlib.suppress(RPCError):
            await tidy_up(settings, connection)
    with contextlib.suppress(BrokenPipeError):
        show_end(known, as_json=as_json)
    return exit_code(known.document)


async def _has_ended(
    showing: asyncio.Future[bool], interrupted: asyncio.Future[None], worker: asyncio.Task[None]
) -> bool:
    """Wait for the end of the execution; false where the command ends before it. Raises what ended the worker."""
    waited: list[asyncio.Future[Any]] = [showing, interrupted, worker]
    await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    if not showing.done():
        showing.cancel()
        # It gives the terminal back.
        with contextlib.suppress(asyncio.CancelledError, BrokenPipeError):
            await showing
        if worker.done():
            worker.result()
        return False
    # The reader of our output may have gone: then nobody waits for this command.
    return not isinstance(showing.exception(), BrokenPipeError) and showing.result()


@asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[Connection]:
    """Connection; an interrupt before there is one says that nothing was started."""
    async with contextlib.AsyncExitStack() as stack:
        try:
            connection = await stack.enter_async_context(connected(settings))
        except (asyncio.CancelledError, Unavailable) as error:
            # A connection that fails at last hides the interrupt that it was waited for with.
            if isinstance(error, Unavailable) and not _is_interrupted():
                raise
            _say_nothing_begun()
            raise asyncio.CancelledError from None
        yield connection


def _is_interrupted() -> bool:
    """Whether the running task has been asked to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _say_nothing_begun() -> None:
    with contextlib.suppress(BrokenPipeError):
        print(NOTHING_BEGUN, file=sys.stderr, flush=True)


async def _say_stopped(connection: Connection, execution_id: str, *, as_json: bool) -> None:
    """Say what becomes of it, now that the worker of this command has ended."""
    try:
        goes_on = await has_worker(connection)
    except RPCError:
        goes_on = False
    name = printable(shlex.quote(execution_id))
    said = f"stopped; go on with: epw run --resume {name}"
    if goes_on:
        said = f"stopped; another worker goes on with it: epw watch {name}"
    with contextlib.suppress(BrokenPipeError):
        print(said, file=sys.stderr, flush=True)
        if as_json:
            stopped = {"success": False, "status": "running", "executionId": execution_id}
            print_json({**stopped, "interrupted": True})


@asynccontextmanager
async def interruptible() -> AsyncIterator[asyncio.Future[None]]:
    """Future that Ctrl-C, SIGTERM or SIGHUP completes, so that the command can stop in order."""
    loop = asyncio.get_running_loop()
    interrupted: asyncio.Future[None] = loop.create_future()

    first = 0.0

    def interrupt() -> None:
        nonlocal first
        if not interrupted.done():
            first = loop.time()
            interrupted.set_result(None)
        elif loop.time() - first > _SECOND_SIGNAL_SECONDS:
            # A user's second Ctrl-C; at once after the first it is the same signal, sent to the group as well.
            exit_process(INTERRUPTED)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, interrupt)
    try:
        yield interrupted
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
