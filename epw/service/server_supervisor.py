"""Supervisor process of the embedded server: starts it, restarts it, checks its clients, ends it after its last user.

Users hold a shared lock on `users.lock`, which the kernel releases however they end. The supervisor holds
`guardian.lock`, so there is only one; it ends when it gets the exclusive lock on `users.lock`.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from activities.state.state_directory import ServerFiles, StateDirectory
from activities.system.atomic_write import write_atomically
from activities.system.file_lock import FileLock
from activities.system.file_modes import restrict_umask
from epw.service import startup
from epw.service.door import may_connect, workers_of

_PREFERRED_PORTS = (7233, 8233)
_READY_SECONDS = 60.0
_POLL_SECONDS = 0.1
_BACKLOG = 128
_DAMAGE_SIGNS = ("malformed", "not a database", "disk image")
_SOCKET_TYPE = socket.SOCK_SEQPACKET if sys.platform == "linux" else socket.SOCK_DGRAM


def main(files: ServerFiles, binary: str) -> int:
    """Supervise the server of a state directory until its last user has gone; the exit code of the process."""
    with FileLock.opened(files.supervisor_lock) as own, FileLock.opened(files.users_lock) as users:
        if not own.try_acquire():
            return 0
        _end_stale(files)
        door = _Door.opened(StateDirectory(files.folder.parent), _wanted_ports(files))
        try:
            while not users.try_acquire():
                if door.server is None or door.server.process.poll() is not None:
                    door.server = _start(files, binary)
                    _write_note(files, door)
                door.remember_workers()
                time.sleep(_POLL_SECONDS)
        except RuntimeError as error:
            _write(files.note, {"error": str(error), "ports": door.ports})
            return 1
        if door.server is not None:
            _end(door.server.process)
        _write(files.note, {"ports": door.ports})
        return 0


@dataclass
class _Server:
    process: subprocess.Popen[bytes]
    """The walled server."""
    control: socket.socket
    """Socket by which connections are passed to it."""
    note: dict[str, Any]


class _Door:
    """Listening sockets for clients of the server; each client is checked before its connection is passed on."""

    def __init__(self, state: StateDirectory, listeners: list[socket.socket]) -> None:
        self.server: _Server | None = None
        self.ports = [each.getsockname()[1] for each in listeners]
        self._state = state
        self._workers: dict[tuple[int, float], None] = {}
        for which, listener in enumerate(listeners):
            threading.Thread(target=self._accept, args=[which, listener], daemon=True).start()

    @classmethod
    def opened(cls, state: StateDirectory, wanted: list[int]) -> _Door:
        """Listen at the wanted ports, or at free ones where these are taken."""
        return cls(state, [_listening(port) for port in wanted])

    def remember_workers(self) -> None:
        """Remember the workers on record: agents could delete these files."""
        self._workers |= dict.fromkeys(workers_of(self._state))

    def _accept(self, which: int, listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self._pass_on, args=[which, connection], daemon=True).start()

    def _pass_on(self, which: int, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            server = self.server
            if server is not None and (
                sys.platform != "linux" or may_connect(self._state, connection, list(self._workers))
            ):
                message = f"{which} {self.ports[which]}".encode()
                socket.send_fds(server.control, [message], [connection.fileno()])


def _listening(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port), backlog=_BACKLOG)
    except OSError:
        return socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)


def _start(files: ServerFiles, binary: str) -> _Server:
    # Messages, not a stream: each carries one connection.
    ours, theirs = socket.socketpair(socket.AF_UNIX, _SOCKET_TYPE)
    with theirs:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "epw.service.walled_server",
                str(theirs.fileno()),
                str(files.folder),
                binary,
                namespace_of(files),
            ],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )
    ours.settimeout(_READY_SECONDS)
    try:
        note = json.loads(ours.recv(4096))
    except (OSError, ValueError):
        _end(process)
        log = files.log
        tail = log.read_text(errors="replace").strip().splitlines()[-3:] if log.is_file() else []
        if any(sign in line for line in tail for sign in _DAMAGE_SIGNS):
            database = files.database
            raise RuntimeError(
                f"the database {database} is damaged; move it away (mv {database} {database}.damaged): the executions"
                " in it are lost, what their agents have saved is in the hubs beside it"
            ) from None
        said = " / ".join(filter(None, tail)) or f"{binary} said nothing"
        raise RuntimeError(f"the Temporal server did not start: {said} (log: {log})") from None
    ours.settimeout(None)
    return _Server(process, ours, note)


def namespace_of(files: ServerFiles) -> str:
    """Temporal namespace of a state directory; tells its server from any other at the same port."""
    note = files.namespace
    if not note.is_file():
        # A database of an older version has its executions in the default namespace.
        name = "default" if files.database.exists() else f"epw-{secrets.token_hex(4)}"
        write_atomically(note, name.encode())
    return note.read_text()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _end_stale(files: ServerFiles) -> None:
    """End a server whose supervisor was killed: it would write to the same database as the new one."""
    stale = files.read_note()
    with contextlib.suppress(psutil.Error, KeyError):
        process = psutil.Process(stale["pid"])
        if process.create_time() == stale["created"]:
            process.kill()
            process.wait(5)


def _write_note(files: ServerFiles, door: _Door) -> None:
    own = psutil.Process()
    ports = door.ports
    content = {
        "address": f"127.0.0.1:{ports[0]}",
        "webUI": f"http://127.0.0.1:{ports[1]}",
        "namespace": namespace_of(files),
        "ports": ports,
        "guardian": [own.pid, own.create_time()],
        **(door.server.note if door.server is not None else {}),
    }
    _write(files.note, content)


def _wanted_ports(files: ServerFiles) -> list[int]:
    """The ports of the last time, so that bookmarks stay valid; at first Temporal's own."""
    ports = files.read_note().get("ports")
    return ports if isinstance(ports, list) and len(ports) == 2 else list(_PREFERRED_PORTS)


def _write(note: Path, content: dict[str, Any]) -> None:
    write_atomically(note, json.dumps(content).encode())


if __name__ == "__main__":
    startup.prepare()
    startup.begin()
    # Ctrl-C is meant for the command; the server must run until the command has ended.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    restrict_umask()
    sys.exit(main(ServerFiles(Path(sys.argv[1])), sys.argv[2]))
