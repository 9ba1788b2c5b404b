"""Show an execution until it ends: as a live view where there is a terminal for one, else in plain lines."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from contextlib import AbstractContextManager
from typing import IO, Any

from temporalio.client import WorkflowHandle

from epw.cli.follow import ended, follow
from epw.service.connection import Connection
from epw.settings import Settings


def may_be_live(*, as_json: bool, is_plain: bool) -> bool:
    """Whether to show the live view: standard input and output are a terminal that can."""
    if as_json or is_plain or not sys.stdout.isatty():
        return False
    # Here: nothing else pays for its imports.
    from epw.cli.live.terminal import is_there

    return is_there()


def errors_held(*, is_live: bool) -> AbstractContextManager[None]:
    """While the block runs, standard error waits where it would write over a view."""
    if not is_live:
        return contextlib.nullcontext()
    from epw.cli.live.terminal import held_errors

    return held_errors()


async def show_until_end(
    settings: Settings,
    connection: Connection,
    handle: WorkflowHandle[Any, Any],
    out: IO[str],
    *,
    is_live: bool,
    own_worker: bool = False,
) -> bool:
    """Show it until it has ended, or the user has left the view; whether it has ended.

    `own_worker`: the command has started one for it.
    """
    if not is_live:
        await follow(connection, handle, out, own_worker=own_worker)
        return True
    from epw.cli.live.overview import plain_summary
    from epw.cli.live.view import View

    view = View(settings, connection, handle, own_worker=own_worker)
    ending, has_ended = asyncio.ensure_future(ended(handle)), False
    try:
        has_ended = await view.run(ending)
        if has_ended:
            ending.result()
    finally:
        ending.cancel()
        if not has_ended and view.snapshot is not None:
            # The last screen stays, as far as it says how things stand.
            with contextlib.suppress(OSError):
                print("\n".join(plain_summary(view.snapshot)), file=out, flush=True)
    return has_ended
