"""Identity of a process: its id and start time, since ids are reused; supervisors of workers."""

from __future__ import annotations

import os
from collections.abc import Sequence

import psutil

Process = tuple[int, float]
API_KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
"""Variables that the worker hands on to no process."""
SUPERVISED_BY = "--kept="
"""Start of a supervised worker's argument; the process id of its supervisor, with which it ends, follows."""
_CLOCK_STEP_SECONDS = 5.0

CURRENT_PROCESS: Process = (os.getpid(), psutil.Process().create_time())


def worker_supervisor(arguments: Sequence[str]) -> Process | None:
    """Supervisor of this worker; None where there is none, or where it is dead and another process is the parent."""
    named = next((each.removeprefix(SUPERVISED_BY) for each in arguments if each.startswith(SUPERVISED_BY)), None)
    found = psutil.Process().parent()
    return (found.pid, found.create_time()) if found is not None and str(found.pid) == named else None


def is_alive(process: Process) -> bool:
    """Whether that very process is still at work; a zombie is not, though its parent has yet to take note."""
    identifier, created = process
    try:
        found = psutil.Process(identifier)
        # A clock that was set moves the time by which psutil reckons.
        is_same = abs(found.create_time() - created) < _CLOCK_STEP_SECONDS
        return is_same and found.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.Error:
        return False
