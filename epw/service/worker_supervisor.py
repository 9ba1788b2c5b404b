"""Supervisor of workers in child processes: restarts each that dies, and ends them when the command ends."""

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
from epw.service.telemetry.address import metrics_address
from epw.service.worker_options import HELD, WorkerOptions
from epw.settings import Settings

_MAX_EARLY_DEATHS = 5
_STOP_SECONDS = 10.0
"""What a worker may take to stop, the time that its agents have aside."""
_DEFAULT = WorkerOptions()


class Workers:
    """Worker processes of one host under this one."""

    def __init__(
        self, settings: Settings, options: WorkerOptions = _DEFAULT, number: int = 1, *, is_held: bool = False
    ) -> None:
        """`options`: for all of them together, which share its slots. `is_held`: until `release` they only load."""
        self._settings = settings
        self._each = options.shared_by(number)
        self._children: dict[int, children.Child] = {}
        self._is_held = is_held

    @property
    def pids(self) -> list[int]:
        """Those that run now."""
        return [child.pid for child in self._children.values()]

    def release(self) -> None:
        """Let those that are held begin."""
        self._is_held = False
        for child in self._children.values():
            with contextlib.suppress(BrokenPipeError):
                child.stdin.write(b"\n")
                child.stdin.flush()

    def kill(self) -> None:
        """End them at once, with their agents."""
        for child in self._children.values():
            child.signal(signal.SIGKILL)

    async def supervise(self) -> None:
        """Keep them running until cancelled; raises `Unavailable` where one cannot start."""
        # Adopt what a killed worker leaves, even processes that changed their session or environment.
        children.adopt_orphans()
        running = [asyncio.create_task(self._supervise(each)) for each in range(len(self._each))]
        try:
            await asyncio.wait(running, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for each in running:
                each.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        for each in running:
            each.result()

    async def _supervise(self, number: int) -> None:
        early_deaths = 0
        while early_deaths < _MAX_EARLY_DEATHS:
            child = self._children[number] = _start(self._settings, self._each[number], number, is_held=self._is_held)
            try:
                code = await child.wait()
            except asyncio.CancelledError:
                await _stop(child, self._each[number].grace.total_seconds() + _STOP_SECONDS)
                raise
            finally:
                del self._children[number]
                await asyncio.shield(asyncio.to_thread(_reap, child))
            early_deaths = 0 if WorkerRecord.was_kept(self._settings.state, child.pid) else early_deaths + 1
            print(f"the worker ended ({code}); starting another", file=sys.stderr, flush=True)
        raise Unavailable(f"the worker failed to start {_MAX_EARLY_DEATHS} times; see its messages above")


@asynccontextmanager
async def supervised_worker(settings: Settings, number: int = 1) -> AsyncIterator[asyncio.Task[None]]:
    """Workers while the block runs; the task ends only, with `Unavailable`, where one cannot start."""
    async with _supervised(Workers(settings, number=number)) as supervising:
        yield supervising


@asynccontextmanager
async def held_worker(settings: Settings) -> AsyncIterator[HeldWorker]:
    """A worker that loads while its command connects, or starts the server, and begins in `released`."""
    workers = Workers(settings, is_held=True)
    async with _supervised(workers) as supervising:
        yield HeldWorker(workers, supervising)


class HeldWorker:
    """Worker that is started, and waits."""

    def __init__(self, workers: Workers, supervising: asyncio.Task[None]) -> None:
        self._workers = workers
        self._supervising = supervising

    @asynccontextmanager
    async def released(self) -> AsyncIterator[asyncio.Task[None]]:
        """As `supervised_worker`."""
        self._workers.release()
        try:
            yield self._supervising
        finally:
            await _end(self._supervising)


@asynccontextmanager
async def _supervised(workers: Workers) -> AsyncIterator[asyncio.Task[None]]:
    supervising = asyncio.create_task(workers.supervise())
    try:
        yield supervising
    finally:
        await _end(supervising)


async def _end(supervising: asyncio.Task[None]) -> None:
    supervising.cancel()
    with contextlib.suppress(asyncio.CancelledError, Unavailable):
        await supervising


def _start(settings: Settings, options: WorkerOptions, number: int, *, is_held: bool) -> children.Child:
    # In a session of its own Ctrl-C does not reach it: this process stops it. Its input ends with this process.
    return children.start(
        [
            *(sys.executable, "-m", "epw.service.worker_process"),
            *options.arguments(),
            *([HELD] if is_held else []),
            f"{SUPERVISED_BY}{os.getpid()}",
        ],
        is_tree=False,
        stdin=subprocess.PIPE,
        stdout=sys.stderr,
        # The user's umask, for files of agents and git; the worker sets its own.
        umask=user_umask(),
        env={**os.environ, "EPW_HOME": str(settings.home), **metrics_address(os.environ, number)},
        cwd=Path(__file__).parents[2],
    )


async def _stop(child: children.Child, seconds: float) -> None:
    child.signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(child.wait(), seconds)
    except TimeoutError:
        child.signal(signal.SIGKILL)
        await child.wait()


def _reap(worker: children.Child) -> None:
    """Reap a worker that has ended, and end its orphans before another worker starts the same attempts again."""
    worker.stdin.close()
    worker.reap()
    children.end_orphans()
