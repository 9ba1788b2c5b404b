"""Supervisor of a worker in a child process: restarts it when it dies, and ends it when the command ends."""

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
from activities.system.file_modes import user_umask
from activities.system.process_identity import SUPERVISED_BY
from epw.core.errors import Unavailable
from epw.settings import Settings

_MAX_EARLY_DEATHS = 5
_STOP_SECONDS = 15.0


@asynccontextmanager
async def supervised_worker(settings: Settings) -> AsyncIterator[asyncio.Task[None]]:
    """A worker while the block runs; the task ends only, with `Unavailable`, where the worker cannot start."""
    supervising = asyncio.create_task(_supervise(settings))
    try:
        yield supervising
    finally:
        supervising.cancel()
        with contextlib.suppress(asyncio.CancelledError, Unavailable):
            await supervising


async def _supervise(settings: Settings) -> None:
    early_deaths = 0
    # Adopt what a killed worker leaves, even processes that changed their session or environment.
    children.adopt_orphans()
    while early_deaths < _MAX_EARLY_DEATHS:
        # In a session of its own Ctrl-C does not reach it: this process stops it. Its input ends with this process.
        child = children.start(
            [sys.executable, "-m", "epw.service.worker_process", f"{SUPERVISED_BY}{os.getpid()}"],
            is_tree=False,
            stdin=subprocess.PIPE,
            stdout=sys.stderr,
            # The user's umask, for files of agents and git; the worker sets its own.
            umask=user_umask(),
            env={**os.environ, "EPW_HOME": str(settings.home)},
            cwd=Path(__file__).parents[2],
        )
        try:
            code = await child.wait()
        except asyncio.CancelledError:
            await _stop(child)
            raise
        finally:
            await asyncio.shield(asyncio.to_thread(_reap, child))
        early_deaths = 0 if WorkerRecord.was_kept(settings.state, child.pid) else early_deaths + 1
        print(f"the worker ended ({code}); starting another", file=sys.stderr, flush=True)
    raise Unavailable(f"the worker failed to start {_MAX_EARLY_DEATHS} times; see its messages above")


async def _stop(child: children.Child) -> None:
    child.signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(child.wait(), _STOP_SECONDS)
    except TimeoutError:
        child.signal(signal.SIGKILL)
        await child.wait()


def _reap(worker: children.Child) -> None:
    """Reap a worker that has ended, and end its orphans before another worker starts the same attempts again."""
    worker.stdin.close()
    worker.reap()
    children.end_orphans()
