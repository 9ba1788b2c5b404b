"""An agent's process tree: started in a session of its own, ended to its last descendant.

Every process inherits a marker in its environment, by which an escapee (setsid, double fork) and the
orphans of a killed worker are found.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

MARKER = "EPW_ATTEMPT_KEY"
_GRACE_SECONDS = 1.0
_KILL_SECONDS = 10.0
_POLL_SECONDS = 0.02


class ProcessTree:
    """A running command and everything that it started."""

    def __init__(self, process: asyncio.subprocess.Process, marker: str) -> None:
        self._process = process
        self._marker = marker

    @classmethod
    async def start(
        cls, argv: Sequence[str], *, cwd: Path, environment: Mapping[str, str], output: Path, marker: str
    ) -> ProcessTree:
        """Start a command; its output and errors go to the file `output`, its input is empty."""
        output.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(output, "ab", opener=_private) as log:
            process = await asyncio.create_subprocess_exec(
                *argv,
                cwd=cwd,
                env={**environment, MARKER: marker},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return cls(process, marker)

    async def wait(self) -> int:
        """The command's exit code; negative: the number of the signal that ended it."""
        return await self._process.wait()

    async def end(self) -> None:
        """End the whole tree: TERM, a grace time, KILL. Returns when nothing of it is left."""
        # The group first: a process that cleared its environment still belongs to it.
        self._signal_group(signal.SIGTERM)
        await asyncio.to_thread(end_marked, self._marker)
        self._signal_group(signal.SIGKILL)
        await self._process.wait()

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def end_marked(marker: str) -> int:
    """End every process whose marker is `marker` or beneath it; how many there were."""
    victims = _marked(marker)
    for process in victims:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    deadline = time.monotonic() + _GRACE_SECONDS
    while any(_is_alive(process) for process in victims) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    # A process may start others until it is dead: look again until nobody is found.
    while victims and (left := _marked(marker)) and time.monotonic() < deadline + _KILL_SECONDS:
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(_POLL_SECONDS)
    return len(victims)


def _marked(marker: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            theirs = process.environ().get(MARKER, "")
            if (theirs == marker or theirs.startswith(marker + "/")) and _is_alive(process):
                found.append(process)
    return found


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
