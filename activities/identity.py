"""Which process this is: its number and when it began, since numbers are given out again; and its modes of files."""

from __future__ import annotations

import os

import psutil

Process = tuple[int, float]
KEPT = "--kept"
"""Argument of a worker that a command keeps: it goes when the command does, however that ends."""


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


UMASK = _umask()
"""As it was at the start: later there are threads, and asking for it sets it for all of them."""
_CLOCK_STEP_SECONDS = 5.0


def private(path: str, flags: int) -> int:
    """Opener (of `open`) of files that only their owner may read."""
    return os.open(path, flags, 0o600)


ME: Process = (os.getpid(), psutil.Process().create_time())


def parent() -> Process:
    """The process that has started this one."""
    found = psutil.Process().parent()
    return ME if found is None else (found.pid, found.create_time())


def lives(process: Process) -> bool:
    """Whether that very process is still at work; a zombie is not, though its parent has yet to take note."""
    identifier, created = process
    try:
        found = psutil.Process(identifier)
        # A clock that was set moves the time by which psutil reckons.
        is_same = abs(found.create_time() - created) < _CLOCK_STEP_SECONDS
        return is_same and found.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.Error:
        return False
