"""Identity of a process: its id and start time, since ids are reused; supervisors of workers."""

from __future__ import annotations

import os
from collections.abc import Sequence

import psutil

Process = tuple[int, float]
"""Process id and creation time, seconds since the epoch."""
API_KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
"""Variables that the worker passes to no process."""
SUPERVISED_BY = "--kept="
"""Start of a supervised worker's argument; the process id of its supervisor, with which it ends, follows."""
_CLOCK_STEP_SECONDS = 5.0

CURRENT_PROCESS: Process = (os.getpid(), psutil.Process().create_time())


def worker_supervisor(arguments: Sequence[str]) -> Process | None:
    """Supervisor of this worker; None where there is none, or where it is dead and another process is the parent."""
    wanted = next((each.removeprefix(SUPERVISED_BY) for each in arguments if each.startswith(SUPERVISED_BY)), None)
    found = psutil.Process().parent()
    return (found.pid, found.create_time()) if found is not None and str(found.pid) == wanted else None


def is_alive(process: Process) -> bool:
    """Whether this very process still runs; a zombie does not."""
    identifier, created = process
    try:
        found = psutil.Process(identifier)
        # Setting the clock changes the time that psutil computes.
        is_same = abs(found.create_time() - created) < _CLOCK_STEP_SECONDS
        return is_same and found.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.Error:
        return False
