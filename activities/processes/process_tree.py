"""Process tree of an agent: started in a session of its own, ended to its last descendant.

Every process inherits a marker in its environment, which identifies those that left the session (setsid, double fork)
and the orphans of a killed worker.
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
from activities.processes.cgroup import Group, probe
from activities.processes.children import is_alive
from activities.system.concurrency import in_thread, uninterrupted
from activities.system.file_modes import owner_only, user_umask

MARKER = "EPW_ATTEMPT_KEY"
_GRACE_SECONDS = 1.0
_KILL_SECONDS = 10.0
_POLL_SECONDS = 0.02


class ProcessTree:
    """Running command with everything that it started."""

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
        thread_setup: Callable[[], None] | None = None,
    ) -> ProcessTree:
        """Start a command; its output and errors are appended to the file `output`, its input is empty.

        `thread_setup`: called in the thread that starts the command, which inherits what it does to that thread.
        """
        output.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(output, "ab", opener=owner_only) as log:
            child = children.start(
                argv,
                is_tree=True,
                thread_setup=thread_setup,
                umask=user_umask(),
                cwd=cwd,
                env={**environment, MARKER: marker},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return cls(child, marker)

    async def wait(self) -> int:
        """Exit code of the command; negative: the number of the signal that ended it."""
        return await self._child.wait()

    async def end(self) -> None:
        """End the whole tree: TERM, a grace time, KILL. Returns when no process of it is left, also where cancelled."""
        await uninterrupted(self._end())

    async def _end(self) -> None:
        # The process group first: a process that cleared its environment still belongs to it.
        self._child.signal_group(signal.SIGTERM)
        await asyncio.to_thread(end_marked, self._marker)
        self._child.signal_group(signal.SIGKILL)
        await self._child.wait()
        self._child.reap()
        await _end_escaped()

    @classmethod
    @asynccontextmanager
    async def around_library(cls, marker: str) -> AsyncIterator[None]:
        """Let a library run programs by a launcher script while the block runs; at its end all of them are ended."""
        try:
            with children.left_to_library(marker):
                try:
                    yield
                finally:
                    await in_thread(end_marked, marker)
        finally:
            await _end_escaped()

    @classmethod
    def has_only_known_children(cls) -> bool:
        """Whether every child of this worker is known: started here, or by a library that runs."""
        return children.has_only_known_children(MARKER)


async def _end_escaped() -> None:
    """End adopted orphans where no command runs in this worker: they escaped from an agent that has ended."""
    await in_thread(partial(children.end_orphans, when_idle=True))


def write_launcher(
    path: Path,
    program: Sequence[str],
    environment: Mapping[str, str],
    marker: str,
    *,
    keep: Sequence[str] = (),
    join_snippet: str = "",
) -> Path:
    """Write a launcher script, for a library that starts a program by itself, and return its path.

    The program gets `environment`, and those variables of the library that `keep` names; `join_snippet`: shell text
    that the script runs first.
    """
    settings = [f"{name}={shlex.quote(value)}" for name, value in {**environment, MARKER: marker}.items()]
    settings += [f'{name}="${{{name}-}}"' for name in keep]
    session = "setsid " if shutil.which("setsid") else ""
    line = (
        f'umask {user_umask():o}; {join_snippet} exec {session}env -i {" ".join(settings)} {shlex.join(program)} "$@"'
    )
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o700), "w") as script:
        script.write(f"#!/bin/sh\n{line}\n")
    return path


def has_no_processes(folder: Path) -> bool:
    """Whether no process that is visible to this user has its working directory in the folder."""
    prefix = f"{os.path.realpath(folder)}/"
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if f"{process.cwd()}/".startswith(prefix):
                return False
    return True


def end_marked(marker: str, *, forget: bool = False) -> int:
    """End the processes with this marker or one below it, and those in its control groups; returns how many.

    `forget`: remove the groups too, because the process that created them is gone.
    """
    victims = marked(marker)
    for process in victims:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    deadline = time.monotonic() + _GRACE_SECONDS
    while any(is_alive(process) for process in victims) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    # A process may start others until it is dead: repeat until none is found.
    while victims and (left := marked(marker)) and time.monotonic() < deadline + _KILL_SECONDS:
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(_POLL_SECONDS)
    in_groups = 0
    for group in Group.under(probe(), marker):
        in_groups += len(group.processes())
        group.kill()
        if forget:
            group.remove()
    return len(victims) + in_groups


def marked(marker: str) -> list[psutil.Process]:
    """The living processes with this marker or one below it."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            found_marker = process.environ().get(MARKER, "")
            if (found_marker == marker or found_marker.startswith(marker + "/")) and is_alive(process):
                found.append(process)
    return found
