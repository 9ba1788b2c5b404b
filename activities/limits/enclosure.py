"""What stands around an attempt's processes: their limits, what they have used, and their end as a whole."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import psutil

from activities.limits.bounds import MB, Bounds
from activities.limits.cgroup import Group, Reading, probe
from activities.limits.processes import MARKER, end_marked
from workflows.errors import TaskFailed

_SAMPLE_SECONDS = 0.1
_SAMPLE_WITHOUT_GROUP_SECONDS = 0.25
_SECONDS_EACH = 0.02
_JOIN = '{joining} exec "$@"'
_NEAR = 0.9
_HELD_SECONDS = 0.2


class Enclosure:
    """Of one attempt; `group` null: this machine offers none, and the processes are looked at now and then."""

    _watched = 0

    def __init__(self, marker: str, bounds: Bounds, group: Group | None) -> None:
        self.bounds = bounds
        self.group = group
        self.memory_mb = 0.0
        """Now."""
        self.peak_mb = 0.0
        self.cpu_seconds = 0.0
        self.throttled_seconds = 0.0
        self.warnings: dict[str, str] = {}
        self.broken: asyncio.Future[TaskFailed] = asyncio.get_running_loop().create_future()
        """The limit that the attempt has broken; everything in it has been ended."""
        self._marker = marker
        self._ended_cpu: dict[tuple[int, float], float] = {}

    @classmethod
    @asynccontextmanager
    async def around(cls, marker: str, bounds: Bounds) -> AsyncIterator[Enclosure]:
        """Made for the block; at its end nothing runs in it any more."""
        place = probe()
        group = Group(place, marker) if place is not None else None
        if group is not None:
            try:
                group.make(bounds)
            except OSError:
                group = None
        enclosure = cls(marker, bounds, group)
        watching = asyncio.create_task(enclosure._watch())
        try:
            yield enclosure
        finally:
            watching.cancel()
            if group is not None:
                await asyncio.shield(asyncio.to_thread(enclosure._close, group))

    @property
    def level(self) -> str:
        """What keeps the limits."""
        return "cgroup" if self.group is not None else "watched"

    def entering(self, argv: Sequence[str]) -> list[str]:
        """A command that starts in it."""
        if self.group is None:
            return list(argv)
        return ["sh", "-c", _JOIN.format(joining=self.group.joining()), "sh", *argv]

    def joining(self) -> str:
        """Shell text that brings a shell in."""
        return self.group.joining() if self.group is not None else ""

    def look(self) -> None:
        """Take in what has been used, and end the attempt's processes where a limit is broken."""
        with contextlib.suppress(OSError):
            if self.group is not None:
                self._judge(self.group.read())
            else:
                self._add_up()

    async def _watch(self) -> None:
        least = _SAMPLE_SECONDS if self.group is not None else _SAMPLE_WITHOUT_GROUP_SECONDS
        Enclosure._watched += 1
        try:
            while True:
                # Many are looked at less often: the kernel keeps the limits meanwhile.
                await asyncio.sleep(max(least, Enclosure._watched * _SECONDS_EACH))
                await asyncio.to_thread(self.look)
        finally:
            Enclosure._watched -= 1

    def _judge(self, reading: Reading) -> None:
        self.memory_mb = reading.memory_mb
        self.peak_mb = max(self.peak_mb, reading.memory_mb)
        self.cpu_seconds, self.throttled_seconds = reading.cpu_seconds, reading.throttled_seconds
        if reading.throttled_seconds > _HELD_SECONDS:
            self._warn("cpu", f"CPU held at {self.bounds.cpu_percent:g} % of the machine")
        self._near_limit(reading.memory_mb)
        if reading.killed:
            self.peak_mb = max(self.peak_mb, min(reading.most_mb, self.bounds.memory_mb))
            self._break("MemoryLimit", self._memory_told(), self._kill_group)
        elif reading.refused:
            told = f"more than {self.bounds.processes} processes (maxProcesses)"
            self._break("ProcessLimit", told, self._kill_group)

    def _kill_group(self) -> None:
        if self.group is not None:
            self.group.kill()

    def _add_up(self) -> None:
        """Without a group: every process that carries the marker, one by one."""
        memory, count = 0.0, 0
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if not process.environ().get(MARKER, "").startswith(self._marker):
                    continue
                memory += process.memory_info().rss / MB
                times = process.cpu_times()
                self._ended_cpu[process.pid, process.create_time()] = times.user + times.system
                count += 1
        self.memory_mb = memory
        self.peak_mb, self.cpu_seconds = max(self.peak_mb, memory), sum(self._ended_cpu.values())
        self._near_limit(memory)
        if memory > self.bounds.memory_mb:
            self._break("MemoryLimit", self._memory_told(), lambda: end_marked(self._marker))
        elif count > self.bounds.processes:
            told = f"more than {self.bounds.processes} processes (maxProcesses)"
            self._break("ProcessLimit", told, lambda: end_marked(self._marker))

    def _near_limit(self, memory: float) -> None:
        if memory > _NEAR * self.bounds.memory_mb:
            self._warn("memory", f"memory above {_NEAR:.0%} of the limit of {self.bounds.memory_mb} MB")

    def _memory_told(self) -> str:
        return f"used {self.peak_mb:.0f} MB, {self.bounds.memory_mb} MB are allowed (maxMemoryMB)"

    def _warn(self, what: str, told: str) -> None:
        self.warnings.setdefault(what, told)

    def _break(self, reason: str, told: str, kill: Callable[[], object]) -> None:
        kill()
        self.broken.get_loop().call_soon_threadsafe(self._set, TaskFailed(reason, told))

    def _set(self, error: TaskFailed) -> None:
        if not self.broken.done():
            self.broken.set_result(error)

    def _close(self, group: Group) -> None:
        group.kill()
        deadline = time.monotonic() + 1.0
        while group.processes() and time.monotonic() < deadline:
            time.sleep(0.01)
        group.remove()
