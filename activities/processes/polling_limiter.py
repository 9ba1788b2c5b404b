"""Limits without control groups: an attempt's processes are found by their marker, sampled, paused and killed."""

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

MAX_PAUSE_SECONDS = 0.5
_MAX_CREDIT_SECONDS = 0.1
_SLOW_POLL_SECONDS, _FAST_POLL_SECONDS = 0.05, 0.005
_SECONDS_PER_ATTEMPT = 0.005
_FAST_ABOVE = 0.3
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / MB


class PollingLimiter:
    """Limiter of one attempt. A process that clears its environment is not seen.

    `polled`: the attempts of this worker that are polled so.
    """

    def __init__(self, marker: str, bounds: Bounds, polled: Count) -> None:
        self._marker = marker
        self._bounds = bounds
        self._polled = polled
        self._used: dict[tuple[int, float], float] = {}
        """CPU seconds of each process."""
        self._found: list[psutil.Process] = []
        self._paused: list[psutil.Process] = []
        self._debt = 0.0
        self._throttled = 0.0
        self._read_at = time.monotonic()
        self._peak = 0.0
        self._ended = threading.Event()

    def read(self) -> Reading:
        """Use of resources so far, by the marked processes that were seen."""
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
        # CPU seconds used beyond its share; a short burst is allowed.
        share = self._bounds.cores * (now - self._read_at)
        self._debt = max(-_MAX_CREDIT_SECONDS * self._bounds.cores, self._debt + total - before - share)
        self._read_at, self._peak = now, max(self._peak, memory)
        written = written_mb(process.pid for process in found)
        return Reading(memory, self._peak, total, self._throttled, 0, 0, len(found), written)

    def enforce_memory(self, broken: Callable[[float], None]) -> None:
        """Call `broken` with the memory in MB once that exceeds the limit; polls faster near the limit.

        Blocks until then, or until `stop`: for a thread of its own.
        """
        with self._polled.one_more():
            memory = 0.0
            while not self._ended.wait(self._poll_seconds(memory)):
                memory = self._memory()
                self._peak = max(self._peak, memory)
                if memory > self._bounds.memory_mb:
                    broken(memory)
                    return

    def stop(self) -> None:
        """End `enforce_memory`."""
        self._ended.set()

    def pause(self) -> float:
        """Stop the processes where they have used more than their share of the CPU; returns for how many seconds."""
        seconds = min(self._debt / self._bounds.cores, MAX_PAUSE_SECONDS)
        if seconds <= 0:
            return 0.0
        self._paused = self._found
        self._throttled += seconds
        self._signal(self._paused, signal.SIGSTOP)
        return seconds

    def resume(self) -> None:
        """Let paused processes go on."""
        self._signal(self._paused, signal.SIGCONT)
        self._paused = []

    def kill(self) -> None:
        """Kill the processes."""
        # Those known at once, then all that they have started meanwhile.
        self._signal(self._found, signal.SIGKILL)
        end_marked(self._marker)

    def _poll_seconds(self, memory: float) -> float:
        is_near = memory > _FAST_ABOVE * self._bounds.memory_mb
        return _FAST_POLL_SECONDS if is_near else max(_SLOW_POLL_SECONDS, _SECONDS_PER_ATTEMPT * self._polled.value)

    def _memory(self) -> float:
        """Resident memory of the processes found last, and of their descendants, MB."""
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
