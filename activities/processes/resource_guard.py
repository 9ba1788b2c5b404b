"""Resource limits of an attempt's process tree: enforced, measured, and everything in it ended with the attempt."""

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
from activities.processes.cgroup import Group, Reading
from activities.processes.disk import DirectoryUsage
from activities.processes.host_monitor import HostMonitor
from activities.processes.output_log import OutputLog
from activities.processes.polling_limiter import MAX_PAUSE_SECONDS, PollingLimiter
from activities.system.concurrency import in_thread
from epw.core import failures
from epw.core.errors import TaskFailed

_log = logging.getLogger(__name__)
_FIRST_SECONDS = 0.02
_SAMPLE_SECONDS = 0.1
_SAMPLE_WITHOUT_GROUP_SECONDS = 0.25
_SECONDS_PER_ATTEMPT = 0.02
_MAX_OPEN_FILES = 65_536
# The limit with which this process started: since then it may have raised its own.
_OPEN_FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
_PROCESS_LIMITS = (
    f"ulimit -c 0; ulimit -S -n {_OPEN_FILES} 2> /dev/null || true; "
    f"ulimit -H -n {_MAX_OPEN_FILES} 2> /dev/null || true;"
)
_WARN_SHARE = 0.9
_MAX_WARNINGS = 8
_MIN_THROTTLED_SECONDS = 0.2


Report = Callable[[dict[str, Any]], None]


class ResourceGuard:
    """Limits of one attempt; `group` None where this machine has no control groups: its processes are then polled."""

    def __init__(
        self, marker: str, bounds: Bounds, folder: Path, output: OutputLog, group: Group | None, host: HostMonitor
    ) -> None:
        self.bounds = bounds
        self.memory_mb = 0.0
        """Resident memory at the last sample, MB."""
        self.disk_mb = 0.0
        """Written into its directory, at the last sample, MB."""
        self.peak_mb = 0.0
        self.cpu_seconds = 0.0
        self.throttled_seconds = 0.0
        self.processes = self.peak_processes = 0
        self.written_mb = 0.0
        self.warnings: dict[str, str] = {}
        self.broken: asyncio.Future[TaskFailed] = asyncio.get_running_loop().create_future()
        """Set to the limit that was broken, when the attempt's processes are killed for it."""
        self._group = group
        self._limiter = PollingLimiter(marker, bounds, host.polled) if group is None else None
        self._directory = DirectoryUsage(folder, bounds.disk_mb)
        self._output = output
        self._guarded = host.guarded

    @classmethod
    @asynccontextmanager
    async def around(
        cls, marker: str, bounds: Bounds, folder: Path, output: OutputLog, report: Report, host: HostMonitor
    ) -> AsyncIterator[ResourceGuard]:
        """A guard for the block, at whose end none of the attempt's processes runs any more.

        `folder`, `output`: where its processes write; `report`: called with their use of resources after each sample.
        """
        mount = host.groups()
        group = Group(mount, marker) if mount is not None else None
        if group is not None:
            try:
                group.make(bounds)
            except OSError:
                group = None
        guard = cls(marker, bounds, folder, output, group, host)
        if guard._limiter is not None:
            threading.Thread(target=guard._limiter.enforce_memory, args=[guard._too_much], daemon=True).start()
        watching = asyncio.create_task(guard._watch(report))
        try:
            yield guard
        finally:
            watching.cancel()
            await in_thread(guard._close)

    def wrap_argv(self, argv: Sequence[str]) -> list[str]:
        """Wrap a command so that it starts within the limits."""
        return ["sh", "-c", f'{self.join_snippet()} exec "$@"', "sh", *argv]

    def join_snippet(self) -> str:
        """Shell text that puts a shell within the limits."""
        return _PROCESS_LIMITS + (self._group.join_snippet() if self._group is not None else "")

    @property
    def join_files(self) -> list[Path]:
        """Files to which a process writes its id to join the attempt's control groups."""
        return self._group.join_files if self._group is not None else []

    def sample(self) -> None:
        """Measure the use of resources, and kill the attempt's processes where a limit is broken."""
        with contextlib.suppress(OSError):
            self._judge(self._account.read())
        self.disk_mb = self._directory.measure()
        if self.disk_mb > self.bounds.disk_mb:
            self._break(
                failures.DISK_LIMIT, f"wrote {self.disk_mb:.0f} MB, {self.bounds.disk_mb} MB are allowed (maxDiskMB)"
            )
        self._output.catch_up()

    @property
    def _account(self) -> Group | PollingLimiter:
        account = self._group or self._limiter
        assert account is not None
        return account

    def used(self) -> dict[str, Any]:
        """Use of resources so far, as fields of `AgentProgress`."""
        return {
            "memoryMB": round(self.memory_mb, 1),
            "cpuSeconds": round(self.cpu_seconds, 3),
            "throttledSeconds": round(self.throttled_seconds, 3),
            "processes": self.processes,
            "writtenMB": round(self.written_mb, 1),
        }

    def result(self) -> dict[str, Any]:
        """Use of resources at the end, as fields of `TaskOutcome`."""
        return {
            "peak_memory_mb": round(self.peak_mb, 1),
            "cpu_seconds": round(self.cpu_seconds, 3),
            "throttled_seconds": round(self.throttled_seconds, 3),
            "processes": self.peak_processes,
            "written_mb": round(self.written_mb, 1),
            "warnings": list(self.warnings.values()),
        }

    async def _watch(self, report: Report) -> None:
        pause = _SAMPLE_SECONDS if self._group is not None else _SAMPLE_WITHOUT_GROUP_SECONDS
        wait = _FIRST_SECONDS
        with self._guarded.one_more():
            while True:
                # The more attempts, the rarer the samples: the kernel enforces the limits meanwhile.
                await asyncio.sleep(min(wait, max(pause, self._guarded.value * _SECONDS_PER_ATTEMPT)))
                wait *= 2
                try:
                    await asyncio.to_thread(self.sample)
                except (ValueError, KeyError, RecursionError) as error:
                    # A sample that fails does not end the sampling.
                    _log.warning("the resources of an attempt could not be measured: %r", error)
                report(self.used())
                if self._limiter is not None and await self._hold(self._limiter):
                    wait = _FIRST_SECONDS

    async def _hold(self, limiter: PollingLimiter) -> bool:
        """Pause the processes that are ahead of their share of the CPU; returns whether they still are.

        A pause is bounded, so that they do not miss the time to clean up.
        """
        try:
            if seconds := limiter.pause():
                await asyncio.sleep(seconds)
        finally:
            limiter.resume()
        return seconds == MAX_PAUSE_SECONDS

    def _judge(self, reading: Reading) -> None:
        bounds = self.bounds
        self.memory_mb = reading.memory_mb
        self.peak_mb = max(self.peak_mb, reading.memory_mb)
        self.processes = reading.processes
        self.peak_processes = max(self.peak_processes, reading.processes)
        self.written_mb = max(self.written_mb, reading.written_mb)
        self.cpu_seconds, self.throttled_seconds = reading.cpu_seconds, reading.throttled_seconds
        if reading.throttled_seconds > _MIN_THROTTLED_SECONDS:
            self._warn("cpu", f"CPU held at {bounds.cpu_percent:g} % of the machine")
        if reading.memory_mb > _WARN_SHARE * bounds.memory_mb:
            self._warn("memory", f"memory above {_WARN_SHARE:.0%} of the limit of {bounds.memory_mb} MB")
        if reading.killed or reading.memory_mb > bounds.memory_mb:
            # The kernel's peak includes its caches.
            self._too_much(min(reading.peak_mb, bounds.memory_mb) if reading.killed else reading.memory_mb)
        elif reading.denied or reading.processes > bounds.processes:
            self._break(failures.PROCESS_LIMIT, f"more than {bounds.processes} processes (maxProcesses)")

    def _too_much(self, memory_mb: float) -> None:
        self.peak_mb = max(self.peak_mb, memory_mb)
        message = f"used {self.peak_mb:.0f} MB, {self.bounds.memory_mb} MB are allowed (maxMemoryMB)"
        self._break(failures.MEMORY_LIMIT, message)

    def on_denied(self, message: str) -> None:
        """Note a connection that the network policy denied."""
        if len(self.warnings) < _MAX_WARNINGS:
            self._warn(message, f"network: {message}"[:200])

    def _warn(self, subject: str, message: str) -> None:
        self.warnings.setdefault(subject, message)

    def _break(self, kind: failures.FailureKind, message: str) -> None:
        # Set before the kill: else the dead process would count as a failure of the agent.
        self.broken.get_loop().call_soon_threadsafe(self._set, TaskFailed(kind, message))
        self._account.kill()

    def _set(self, error: TaskFailed) -> None:
        if not self.broken.done():
            self.broken.set_result(error)

    def _close(self) -> None:
        if self._limiter is not None:
            self._limiter.stop()
        if self._group is not None:
            self._group.kill()
            deadline = time.monotonic() + 1.0
            while self._group.processes() and time.monotonic() < deadline:
                time.sleep(0.01)
            self._group.remove()
        self._output.close()
