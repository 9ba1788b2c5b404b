"""Where there are no control groups: an attempt's processes, found by their marker and looked at now and then."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from activities.processes.bounds import MB, Bounds
from activities.processes.cgroup import Reading
from activities.processes.disk import written_mb
from activities.processes.host_monitor import Count
from activities.processes.process_tree import end_marked, marked

_MAX_STOPPED_SECONDS = 0.5
_CREDIT_SECONDS = 0.1
_SLOW_SECONDS, _QUICK_SECONDS = 0.05, 0.005
_SECONDS_EACH = 0.005
_QUICK_ABOVE = 0.3
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / MB


class Watched:
    """Of one attempt. What clears its environment is not seen."""

    def __init__(self, marker: str, bounds: Bounds, polled: Count) -> None:
        self._marker = marker
        self._bounds = bounds
        self._polled = polled
        self._used: dict[tuple[int, float], float] = {}
        """CPU seconds by process."""
        self._found: list[psutil.Process] = []
        self._stopped: list[psutil.Process] = []
        self._debt = 0.0
        self._throttled = 0.0
        self._looked = time.monotonic()
        self._peak = 0.0
        self._over = threading.Event()

    def read(self) -> Reading:
        """What they use now, and have used."""
        memory, found = 0.0, []
        before = sum(self._used.values())
        for process in marked(self._marker):
            with contextlib.suppress(psutil.Error, OSError):
                memory += process.memory_info().rss / MB
                times = process.cpu_times()
                self._used[process.pid, process.create_time()] = times.user + times.system
                found.append(process)
        self._found = found
        now, total = time.monotonic(), sum(self._used.values())
        # What it has used beyond its share; a short burst is its own.
        share = self._bounds.cores * (now - self._looked)
        self._debt = max(-_CREDIT_SECONDS * self._bounds.cores, self._debt + total - before - share)
        self._looked, self._peak = now, max(self._peak, memory)
        written = written_mb(process.pid for process in found)
        return Reading(memory, self._peak, total, self._throttled, 0, 0, len(found), written)

    def guard(self, broken: Callable[[float], None]) -> None:
        """Look at their memory often enough that they are told of, with how much it was, before they are far beyond
        their limit.

        For a thread of its own; it ends with `leave`.
        """
        with self._polled.one_more():
            memory = 0.0
            while not self._over.wait(self._pause(memory)):
                memory = self._memory()
                self._peak = max(self._peak, memory)
                if memory > self._bounds.memory_mb:
                    broken(memory)
                    return

    def leave(self) -> None:
        self._over.set()

    def stop(self) -> float:
        """Stop them where they have used more than their share of the CPU; for how many seconds."""
        seconds = min(self._debt / self._bounds.cores, _MAX_STOPPED_SECONDS)
        if seconds <= 0:
            return 0.0
        self._stopped = self._found
        self._throttled += seconds
        self._signal(self._stopped, signal.SIGSTOP)
        return seconds

    def go_on(self) -> None:
        self._signal(self._stopped, signal.SIGCONT)
        self._stopped = []

    def kill(self) -> None:
        # At once, and then with all whom they have started meanwhile.
        self._signal(self._found, signal.SIGKILL)
        end_marked(self._marker)

    def _pause(self, memory: float) -> float:
        near = memory > _QUICK_ABOVE * self._bounds.memory_mb
        return _QUICK_SECONDS if near else max(_SLOW_SECONDS, _SECONDS_EACH * self._polled.value)

    def _memory(self) -> float:
        """Of those that were found, and of their children."""
        seen: dict[int, None] = dict.fromkeys(process.pid for process in self._found)
        total = 0.0
        for pid in (pending := list(seen)):
            with contextlib.suppress(OSError, ValueError):
                total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_MB
                for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
                    if child not in seen:
                        seen[child] = None
                        pending.append(child)
        return total

    def _signal(self, processes: list[psutil.Process], number: signal.Signals) -> None:
        for process in processes:
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)
