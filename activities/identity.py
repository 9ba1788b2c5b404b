"""Which process this is: its number and when it began, since numbers are given out again; and its mask of modes."""

from __future__ import annotations

import os

import psutil

Process = tuple[int, float]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


UMASK = _umask()
"""As it was at the start: later there are threads, and asking for it sets it for all of them."""
_CLOCK_STEP_SECONDS = 5.0
ME: Process = (os.getpid(), psutil.Process().create_time())


def lives(process: Process) -> bool:
    """Whether that very process is still there."""
    identifier, created = process
    try:
        # A clock that was set moves the time by which psutil reckons.
        return abs(psutil.Process(identifier).create_time() - created) < _CLOCK_STEP_SECONDS
    except psutil.Error:
        return False
