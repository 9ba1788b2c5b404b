"""Shared state of the attempts of one worker process: control groups, counts of the periodic checks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from activities.processes.cgroup import CgroupMount, probe
from activities.processes.spare_time import SpareTime


class Count:
    """Number of attempts under one kind of check; safe to use from several threads."""

    def __init__(self) -> None:
        self.value = 0
        self._lock = threading.Lock()

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Count an attempt while the block runs."""
        with self._lock:
            self.value += 1
        try:
            yield
        finally:
            with self._lock:
                self.value -= 1


@dataclass(frozen=True)
class HostMonitor:
    """Number of attempts that each kind of check looks at now: each is checked less often as there are more of them.

    Held by the worker, so that the checks of all its attempts together take a bounded share of this machine's CPU.
    """

    groups: Callable[[], CgroupMount | None] = probe
    """Where control groups are created; None: limits are kept by polling."""

    guarded: Count = field(default_factory=Count)
    """Attempts whose use of memory, CPU and disk is sampled."""
    polled: Count = field(default_factory=Count)
    """Attempts without a control group, whose memory limit is enforced by polling."""
    test_merged: Count = field(default_factory=Count)
    """Attempts whose work in progress is merged with the others' to predict conflicts."""
    spare_time: SpareTime = field(default_factory=SpareTime)
    """For checkers that read what they predict."""
