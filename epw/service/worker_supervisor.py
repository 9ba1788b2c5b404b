"""Keeps a worker in a child process: started again when it dies, ended with its keeper."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from activities.processes import children
from activities.state.worker_records import WorkerRecord
from activities.system.process_identity import KEPT, UMASK
from epw.core.errors import Unavailable
from epw.settings import Settings

_MAX_EARLY_DEATHS = 5
_STOP_SECONDS = 15.0


@asynccontextmanager
async def supervised_worker(settings: Settings) -> AsyncIterator[asyncio.Task[None]]:
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
    # What a killed worker leaves is adopted, whatever session or environment it has given itself.
    children.adopt_orphans()
    while early_deaths < _MAX_EARLY_DEATHS:
        # Its own session: Ctrl-C is for us, and we stop it in order. Its input ends with us, however we end.
        child = children.start(
            [sys.executable, "-m", "epw.service.worker_process", f"{KEPT}{os.getpid()}"],
            is_tree=False,
            stdin=subprocess.PIPE,
            stdout=sys.stderr,
            # The user's own, for what agents and git make; the worker sets its own.
            umask=UMASK,
            env={**os.environ, "EPW_HOME": str(settings.home)},
            cwd=Path(__file__).parents[2],
        )
        try:
            code = await child.wait()
        except asyncio.CancelledError:
            await _stop(child)
            raise
        finally:
            await asyncio.shield(asyncio.to_thread(_bury, child))
        early_deaths = 0 if WorkerRecord.was_kept(settings.home, child.pid) else early_deaths + 1
        print(f"the worker ended ({code}); starting another", file=sys.stderr, flush=True)
    raise Unavailable("the worker ends again and again before it can work; see its messages above")


async def _stop(child: children.Child) -> None:
    child.signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(child.wait(), _STOP_SECONDS)
    except TimeoutError:
        child.signal(signal.SIGKILL)
        await child.wait()


def _bury(worker: children.Child) -> None:
    """Reap a worker that has ended, and end what it leaves before another worker can start the same again."""
    worker.stdin.close()
    worker.reap()
    children.end_orphans()
