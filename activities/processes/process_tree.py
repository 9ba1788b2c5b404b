"""An agent's process tree: started in a session of its own, ended to its last descendant.

Every process inherits a marker in its environment, by which an escapee (setsid, double fork) and the
orphans of a killed worker are found.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import psutil

from activities.processes import children
from activities.processes.cgroup import Group
from activities.processes.children import is_alive
from activities.system.concurrency import in_thread, uninterrupted
from activities.system.process_identity import UMASK, private

MARKER = "EPW_ATTEMPT_KEY"
_GRACE_SECONDS = 1.0
_KILL_SECONDS = 10.0
_POLL_SECONDS = 0.02


class ProcessTree:
    """A running command and everything that it started."""

    def __init__(self, child: children.Child, marker: str) -> None:
        self._child = child
        self._marker = marker

    @classmethod
    async def start(
        cls,
        argv: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        output: Path,
        marker: str,
        before: Callable[[], None] | None = None,
    ) -> ProcessTree:
        """Start a command; its output and errors go to the file `output`, its input is empty.

        `before`: what the thread that starts it does to itself, which the command inherits.
        """
        output.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(output, "ab", opener=private) as log:
            child = children.start(
                argv,
                is_tree=True,
                entering=before,
                umask=UMASK,
                cwd=cwd,
                env={**environment, MARKER: marker},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return cls(child, marker)

    async def wait(self) -> int:
        """The command's exit code; negative: the number of the signal that ended it."""
        return await self._child.wait()

    async def end(self) -> None:
        """End the whole tree: TERM, a grace time, KILL. Returns when nothing of it is left, cancelled or not."""
        await uninterrupted(self._end())

    async def _end(self) -> None:
        # The group first: a process that cleared its environment still belongs to it.
        self._child.signal_group(signal.SIGTERM)
        await asyncio.to_thread(end_marked, self._marker)
        self._child.signal_group(signal.SIGKILL)
        await self._child.wait()
        self._child.reap()
        await _end_escaped()

    @classmethod
    @asynccontextmanager
    async def launched(cls, marker: str) -> AsyncIterator[None]:
        """While the block runs a library may have programs running by a `launcher`; then everything ends."""
        try:
            with children.library(marker):
                try:
                    yield
                finally:
                    await in_thread(end_marked, marker)
        finally:
            await _end_escaped()

    @classmethod
    def all_known(cls) -> bool:
        """Whether every process that descends from this worker is one of ours, or of a command that runs."""
        return children.all_known(MARKER)


async def _end_escaped() -> None:
    """Where no command runs in this worker, what it adopted has escaped from an agent that has ended."""
    await in_thread(partial(children.end_strangers, when_idle=True))


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
    line = f'umask {UMASK:o}; {joining} exec {session}env -i {" ".join(settings)} {shlex.join(program)} "$@"'
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o700), "w") as script:
        script.write(f"#!/bin/sh\n{line}\n")
    return path


def has_no_processes(folder: Path) -> bool:
    """Whether no process has its working directory in the folder, as far as can be seen."""
    prefix = f"{os.path.realpath(folder)}/"
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if f"{process.cwd()}/".startswith(prefix):
                return False
    return True


def end_marked(marker: str, *, forget: bool = False) -> int:
    """End every process whose marker is `marker` or beneath it, and all that is in its groups; how many there were.

    `forget`: the groups go too, since who made them is gone.
    """
    victims = marked(marker)
    for process in victims:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    deadline = time.monotonic() + _GRACE_SECONDS
    while any(is_alive(process) for process in victims) and time.monotonic() < deadline:
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
            if (theirs == marker or theirs.startswith(marker + "/")) and is_alive(process):
                found.append(process)
    return found
