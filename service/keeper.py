"""Keeps a worker in a child process: started again when it dies, ended with its keeper."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from activities.record import WorkerRecord
from settings import Settings
from worker import KEPT
from workflows.errors import Unavailable

_MOST_EARLY_DEATHS = 5
_STOP_SECONDS = 15.0


@asynccontextmanager
async def kept_worker(settings: Settings) -> AsyncIterator[asyncio.Task[None]]:
    """A worker while the block runs; the task ends, with `Unavailable`, only where no worker can be kept."""
    keeping = asyncio.create_task(_keep(settings))
    try:
        yield keeping
    finally:
        keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError, Unavailable):
            await keeping


async def _keep(settings: Settings) -> None:
    early_deaths = 0
    while early_deaths < _MOST_EARLY_DEATHS:
        # Its own session: Ctrl-C is for us, and we stop it in order. Its input ends with us, however we end.
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "worker",
            KEPT,
            stdin=asyncio.subprocess.PIPE,
            stdout=sys.stderr,
            env={**os.environ, "EPW_HOME": str(settings.home)},
            cwd=Path(__file__).parent.parent,
            start_new_session=True,
        )
        try:
            code = await child.wait()
        except asyncio.CancelledError:
            await _stop(child)
            raise
        early_deaths = 0 if WorkerRecord.was_kept(settings.home, child.pid) else early_deaths + 1
        print(f"the worker ended ({code}); starting another", file=sys.stderr, flush=True)
    raise Unavailable("the worker ends again and again before it can work; see its messages above")


async def _stop(child: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.terminate()
    try:
        await asyncio.wait_for(child.wait(), _STOP_SECONDS)
    except TimeoutError:
        child.kill()
        await child.wait()
