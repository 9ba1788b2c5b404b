"""Where there are no control groups: an attempt's processes, found by their marker and looked at now and then."""

from __future__ import annotations

import contextlib
import signal
import time

import psutil

from activities.limits.bounds import MB, Bounds
from activities.limits.cgroup import Reading
from activities.limits.disk import written_mb
from activities.limits.processes import MARKER, end_marked

_MOST_STOPPED_SECONDS = 0.5
_CREDIT_SECONDS = 0.1


class Watched:
    """Of one attempt. What clears its environment is not seen."""

    def __init__(self, marker: str, bounds: Bounds) -> None:
        self._marker = marker
        self._bounds = bounds
        self._used: dict[tuple[int, float], float] = {}
        """CPU seconds by process."""
        self._stopped: list[psutil.Process] = []
        self._debt = 0.0
        self._throttled = 0.0
        self._looked = time.monotonic()

    def read(self) -> Reading:
        """What they use now, and have used."""
        memory, found = 0.0, []
        before = sum(self._used.values())
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if not process.environ().get(MARKER, "").startswith(self._marker):
                    continue
                memory += process.memory_info().rss / MB
                times = process.cpu_times()
                self._used[process.pid, process.create_time()] = times.user + times.system
                found.append(process)
        self._processes = found
        now, total = time.monotonic(), sum(self._used.values())
        # What it has used beyond its share; a short burst is its own.
        share = self._bounds.cores * (now - self._looked)
        self._debt = max(-_CREDIT_SECONDS * self._bounds.cores, self._debt + total - before - share)
        self._looked = now
        written = written_mb(process.pid for process in found)
        return Reading(memory, memory, total, self._throttled, 0, 0, len(found), written)

    def stop(self) -> float:
        """Stop them where they have used more than their share of the CPU; for how many seconds."""
        seconds = min(self._debt / self._bounds.cores, _MOST_STOPPED_SECONDS)
        if seconds <= 0:
            return 0.0
        self._stopped = self._processes
        self._throttled += seconds
        self._signal(signal.SIGSTOP)
        return seconds

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)
        self._stopped = []

    def kill(self) -> None:
        end_marked(self._marker)

    def _signal(self, number: signal.Signals) -> None:
        for process in self._stopped:
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)
