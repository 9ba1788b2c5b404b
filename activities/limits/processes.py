"""An agent's process tree: started in a session of its own, ended to its last descendant.

Every process inherits a marker in its environment, by which an escapee (setsid, double fork) and the
orphans of a killed worker are found.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

from activities.limits.cgroup import Group

MARKER = "EPW_ATTEMPT_KEY"
_PR_SET_CHILD_SUBREAPER = 36
_GRACE_SECONDS = 1.0
_KILL_SECONDS = 10.0
_POLL_SECONDS = 0.02


class ProcessTree:
    """A running command and everything that it started."""

    _running: set[int] = set()
    """The process ids of the commands that run in this worker."""
    _launched: set[str] = set()
    """The markers of what a library runs in this worker."""

    def __init__(self, process: asyncio.subprocess.Process, marker: str) -> None:
        self._process = process
        self._marker = marker
        self._running.add(process.pid)

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
        self._running.discard(self._process.pid)
        await self._end_escaped()

    @classmethod
    @asynccontextmanager
    async def launched(cls, marker: str) -> AsyncIterator[None]:
        """While the block runs a library may have programs running by a `launcher`; then everything ends."""
        cls._launched.add(marker)
        try:
            yield
        finally:
            await asyncio.shield(asyncio.to_thread(end_marked, marker))
            cls._launched.discard(marker)
            await cls._end_escaped()

    @classmethod
    async def _end_escaped(cls) -> None:
        if not cls._running and not cls._launched:
            await asyncio.to_thread(_end_adopted)

    @classmethod
    def all_known(cls) -> bool:
        """Whether every process that descends from this worker is one of ours, or of a command that runs."""
        return _Adoption.works and not _adopted()

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def launcher(
    path: Path,
    program: Sequence[str],
    environment: Mapping[str, str],
    marker: str,
    *,
    keep: Sequence[str] = (),
    joining: str = "",
) -> Path:
    """Write a script that starts a program as `ProcessTree` does, for a library that starts it by itself.

    Of the variables that the library gives it, it has those named in `keep`; `joining`: what its shell does first.
    """
    settings = [f"{name}={shlex.quote(value)}" for name, value in {**environment, MARKER: marker}.items()]
    settings += [f'{name}="${{{name}-}}"' for name in keep]
    session = "setsid " if shutil.which("setsid") else ""
    line = f'{joining} exec {session}env -i {" ".join(settings)} {shlex.join(program)} "$@"'
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o700), "w") as script:
        script.write(f"#!/bin/sh\n{line}\n")
    return path


class _Adoption:
    works = False


def adopt_orphans() -> None:
    """From now on what outlives its parent, whatever session and environment it gave itself, is this process's child.

    Linux only: elsewhere it is the marker alone that tells whose a process is.
    """
    if sys.platform == "linux":
        _Adoption.works = ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def _adopted() -> list[psutil.Process]:
    """Children of this process that it did not start; dead ones are buried."""
    found = []
    for child in psutil.Process().children() if _Adoption.works else []:
        with contextlib.suppress(psutil.Error, OSError):
            # Whatever we start without a session of its own, git for one, is in ours.
            if child.pid in ProcessTree._running or os.getsid(child.pid) == os.getsid(0):
                continue
            if child.status() == psutil.STATUS_ZOMBIE:
                if not ProcessTree._launched:
                    # Else it may be the library's, which waits for it.
                    os.waitpid(child.pid, os.WNOHANG)
            elif child.environ().get(MARKER) not in ProcessTree._launched:
                found.append(child)
    return found


def _end_adopted() -> None:
    """Nothing runs in this worker: what it adopted has escaped from an agent that has ended."""
    for process in _adopted():
        with contextlib.suppress(psutil.Error):
            process.kill()
            process.wait(_KILL_SECONDS)


def is_deserted(folder: Path) -> bool:
    """Whether no process has its working directory in the folder, as far as can be seen."""
    prefix = f"{os.path.realpath(folder)}/"
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if f"{process.cwd()}/".startswith(prefix):
                return False
    return True


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def end_marked(marker: str, *, forget: bool = False) -> int:
    """End every process whose marker is `marker` or beneath it, and all that is in its groups; how many there were.

    `forget`: the groups go too, since who made them is gone.
    """
    victims = marked(marker)
    for process in victims:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    deadline = time.monotonic() + _GRACE_SECONDS
    while any(_is_alive(process) for process in victims) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    # A process may start others until it is dead: look again until nobody is found.
    while victims and (left := marked(marker)) and time.monotonic() < deadline + _KILL_SECONDS:
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(_POLL_SECONDS)
    in_groups = 0
    for group in Group.beneath(marker):
        in_groups += len(group.processes())
        group.kill()
        if forget:
            group.remove()
    return len(victims) + in_groups


def marked(marker: str) -> list[psutil.Process]:
    """The living processes whose marker is `marker` or beneath it."""
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
