"""This process's environment, out of sight of others.

What a process was started with stands in `/proc/PID/environ` for as long as it runs, whatever it does to its
variables later, for every process of the same user to read: an agent's command, say. Imports little, so that it can
come first.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys

_ENV_START, _ENV_END = 50, 51
"""Fields of /proc/self/stat, as proc(5) counts them."""
_AFTER_NAME = 3


def hide() -> None:
    """Move the variables elsewhere in memory, and blank where they stood; they stay what they are for this process."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, ValueError, IndexError):
        with open("/proc/self/stat", "rb") as file:
            # The name of the program, in parentheses, may hold anything.
            fields = file.read().rpartition(b")")[2].split()
        start, end = (int(fields[number - _AFTER_NAME]) for number in (_ENV_START, _ENV_END))
        if 0 < start < end:
            for name, value in os.environb.items():
                os.putenv(name, value)
            ctypes.memset(start, 0, end - start)
