"""What stands around an attempt's processes: their limits, what they have used, and their end as a whole."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from activities.processes.bounds import Bounds
from activities.processes.cgroup import Group, Reading, probe
from activities.processes.disk import Directory, free_middle, shorten
from activities.processes.host_monitor import HostMonitor
from activities.processes.polling_limiter import Watched
from activities.system.concurrency import in_thread
from epw.core import failures
from epw.core.errors import TaskFailed

_log = logging.getLogger(__name__)
_FIRST_SECONDS = 0.02
_SAMPLE_SECONDS = 0.1
_SAMPLE_WITHOUT_GROUP_SECONDS = 0.25
_SECONDS_EACH = 0.02
_MAX_OPEN_FILES = 65_536
# As this process began: since then it may have raised its own.
_OPEN_FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
_BOUNDS_OF_EACH = (
    f"ulimit -c 0; ulimit -S -n {_OPEN_FILES} 2> /dev/null || true; "
    f"ulimit -H -n {_MAX_OPEN_FILES} 2> /dev/null || true;"
)
_NEAR = 0.9
_MAX_WARNINGS = 8
_HELD_SECONDS = 0.2


Report = Callable[[dict[str, Any]], None]


class ResourceGuard:
    """Of one attempt; `group` None: this machine offers none, and the processes are looked at now and then."""

    def __init__(
        self, marker: str, bounds: Bounds, folder: Path, log: Path, group: Group | None, host: HostMonitor
    ) -> None:
        self.bounds = bounds
        self.memory_mb = 0.0
        """Now."""
        self.disk_mb = 0.0
        """In its directory, when that was last looked at."""
        self.peak_mb = 0.0
        self.cpu_seconds = 0.0
        self.throttled_seconds = 0.0
        self.processes = self.peak_processes = 0
        self.written_mb = 0.0
        self.warnings: dict[str, str] = {}
        self.broken: asyncio.Future[TaskFailed] = asyncio.get_running_loop().create_future()
        """The limit that the attempt has broken; everything in it has been ended."""
        self._group = group
        self._watched = Watched(marker, bounds, host.polled) if group is None else None
        self._directory = Directory(folder, bounds.disk_mb)
        self._log = log
        self._guarded = host.guarded

    @classmethod
    @asynccontextmanager
    async def around(
        cls, marker: str, bounds: Bounds, folder: Path, log: Path, report: Report, host: HostMonitor
    ) -> AsyncIterator[ResourceGuard]:
        """Made for the block; at its end nothing runs in it any more.

        `folder`, `log`: where the attempt's processes write; `report` is told now and then what they use.
        """
        place = probe()
        group = Group(place, marker) if place is not None else None
        if group is not None:
            try:
                group.make(bounds)
            except OSError:
                group = None
        guard = cls(marker, bounds, folder, log, group, host)
        if guard._watched is not None:
            threading.Thread(target=guard._watched.guard, args=[guard._too_much], daemon=True).start()
        watching = asyncio.create_task(guard._watch(report))
        try:
            yield guard
        finally:
            watching.cancel()
            await in_thread(guard._close)

    def entering(self, argv: Sequence[str]) -> list[str]:
        """A command that starts in it."""
        return ["sh", "-c", f'{self.joining()} exec "$@"', "sh", *argv]

    def joining(self) -> str:
        """Shell text that brings a shell in."""
        return _BOUNDS_OF_EACH + (self._group.joining() if self._group is not None else "")

    @property
    def joined_by(self) -> list[Path]:
        """The files by which a process joins it."""
        return self._group.joined_by if self._group is not None else []

    def look(self) -> None:
        """Take in what has been used, and end the attempt's processes where a limit is broken."""
        with contextlib.suppress(OSError):
            self._judge(self._account.read())
        self.disk_mb = self._directory.look()
        if self.disk_mb > self.bounds.disk_mb:
            self._break(
                failures.DISK_LIMIT, f"wrote {self.disk_mb:.0f} MB, {self.bounds.disk_mb} MB are allowed (maxDiskMB)"
            )
        free_middle(self._log)

    @property
    def _account(self) -> Group | Watched:
        account = self._group or self._watched
        assert account is not None
        return account

    def used(self) -> dict[str, Any]:
        """What its processes use and have used, as progress."""
        return {
            "memoryMB": round(self.memory_mb, 1),
            "cpuSeconds": round(self.cpu_seconds, 3),
            "throttledSeconds": round(self.throttled_seconds, 3),
            "processes": self.processes,
            "writtenMB": round(self.written_mb, 1),
        }

    def result(self) -> dict[str, Any]:
        """What its processes have used, as fields of the attempt's outcome."""
        return {
            "peak_memory_mb": round(self.peak_mb, 1),
            "cpu_seconds": round(self.cpu_seconds, 3),
            "throttled_seconds": round(self.throttled_seconds, 3),
            "processes": self.peak_processes,
            "written_mb": round(self.written_mb, 1),
            "warnings": list(self.warnings.values()),
        }

    async def _watch(self, report: Report) -> None:
        least = _SAMPLE_SECONDS if self._group is not None else _SAMPLE_WITHOUT_GROUP_SECONDS
        wait = _FIRST_SECONDS
        with self._guarded.one_more():
            while True:
                # Many are looked at less often: the kernel keeps the limits meanwhile.
                await asyncio.sleep(min(wait, max(least, self._guarded.value * _SECONDS_EACH)))
                wait *= 2
                try:
                    await asyncio.to_thread(self.look)
                except (ValueError, KeyError, RecursionError) as error:
                    # One look that fails is no reason to look away for ever.
                    _log.warning("an attempt could not be looked at: %r", error)
                report(self.used())
                if self._watched is not None:
                    await self._hold(self._watched)

    async def _hold(self, watched: Watched) -> None:
        """Have the processes rest as long as they are ahead of their share of the CPU."""
        try:
            if seconds := watched.stop():
                await asyncio.sleep(seconds)
        finally:
            watched.go_on()

    def _judge(self, reading: Reading) -> None:
        bounds = self.bounds
        self.memory_mb = reading.memory_mb
        self.peak_mb = max(self.peak_mb, reading.memory_mb)
        self.processes = reading.processes
        self.peak_processes = max(self.peak_processes, reading.processes)
        self.written_mb = max(self.written_mb, reading.written_mb)
        self.cpu_seconds, self.throttled_seconds = reading.cpu_seconds, reading.throttled_seconds
        if reading.throttled_seconds > _HELD_SECONDS:
            self._warn("cpu", f"CPU held at {bounds.cpu_percent:g} % of the machine")
        if reading.memory_mb > _NEAR * bounds.memory_mb:
            self._warn("memory", f"memory above {_NEAR:.0%} of the limit of {bounds.memory_mb} MB")
        if reading.killed or reading.memory_mb > bounds.memory_mb:
            # The kernel also counts what it only caches.
            self._too_much(min(reading.most_mb, bounds.memory_mb) if reading.killed else reading.memory_mb)
        elif reading.refused or reading.processes > bounds.processes:
            self._break(failures.PROCESS_LIMIT, f"more than {bounds.processes} processes (maxProcesses)")

    def _too_much(self, memory_mb: float) -> None:
        self.peak_mb = max(self.peak_mb, memory_mb)
        told = f"used {self.peak_mb:.0f} MB, {self.bounds.memory_mb} MB are allowed (maxMemoryMB)"
        self._break(failures.MEMORY_LIMIT, told)

    def refused(self, told: str) -> None:
        """The network let something not through."""
        if len(self.warnings) < _MAX_WARNINGS:
            self._warn(told, f"network: {told}"[:200])

    def _warn(self, what: str, told: str) -> None:
        self.warnings.setdefault(what, told)

    def _break(self, kind: failures.FailureKind, told: str) -> None:
        # Told first: a process that is dead already would be the agent's failure.
        self.broken.get_loop().call_soon_threadsafe(self._set, TaskFailed(kind, told))
        self._account.kill()

    def _set(self, error: TaskFailed) -> None:
        if not self.broken.done():
            self.broken.set_result(error)

    def _close(self) -> None:
        if self._watched is not None:
            self._watched.leave()
        if self._group is not None:
            self._group.kill()
            deadline = time.monotonic() + 1.0
            while self._group.processes() and time.monotonic() < deadline:
                time.sleep(0.01)
            self._group.remove()
        shorten(self._log)
