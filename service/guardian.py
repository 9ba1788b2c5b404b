"""The embedded server's guardian: a process that starts it, keeps it up, and ends it with its last user.

Users hold a shared lock on `users.lock`, which the kernel releases however they end. The guardian holds
`guardian.lock`, so there is one; it goes when it gets `users.lock` for itself alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

import psutil

_PREFERRED_PORTS = (7233, 8233)
_STARTS = 5
_READY_SECONDS = 20.0
_POLL_SECONDS = 0.1
_PR_SET_PDEATHSIG = 1
_SEARCH_ATTRIBUTES = ("EpwStatus=Keyword", "EpwStrategy=Keyword", "EpwWaiting=Keyword", "EpwFailedTasks=Int")
# A hop from one activity to the next waits for these queues: 51 ms with the defaults, 9 ms with these.
_DYNAMIC_CONFIG = (
    "history.transferProcessorMaxPollRPS=5000",
    "history.timerProcessorMaxPollRPS=1000",
    # A plan may have 1.5 MB; the default warns and the limit of one message stays 4 MB.
    "limit.blobSize.warn=4194304",
)
_PRAGMAS = ("journal_mode=wal", "synchronous=normal")


def main(folder: Path, binary: str) -> int:
    """Guard the server of a state directory until its last user has gone."""
    with open(folder / "guardian.lock", "a") as own, open(folder / "users.lock", "a") as users:
        if not _lock(own):
            return 0
        note = folder / "server.json"
        _end_stale(note)
        try:
            server, ports = _start(folder, binary, _wanted_ports(note))
            _note(note, server, ports)
            while not _lock(users):
                if server.poll() is not None:
                    server, ports = _start(folder, binary, ports)
                    _note(note, server, ports)
                time.sleep(_POLL_SECONDS)
        except RuntimeError as error:
            _write(note, {"error": str(error)})
            return 1
        _end(server)
        _write(note, {"ports": ports})
        return 0


def _start(folder: Path, binary: str, wanted: list[int]) -> tuple[subprocess.Popen[bytes], list[int]]:
    log = folder / "server.log"
    for attempt in range(_STARTS):
        ports = [port if attempt < 2 and _is_free(port) else _free_port() for port in wanted]
        argv = [binary, "server", "start-dev", "--ip", "127.0.0.1", "--port", str(ports[0])]
        argv += ["--ui-port", str(ports[1]), "--ui-disable-news-fetch", "--log-level", "error"]
        argv += ["--db-filename", str(folder / "temporal.db")]
        argv += dynamic_flags()
        argv += [part for value in _PRAGMAS for part in ("--sqlite-pragma", value)]
        argv += [part for value in _SEARCH_ATTRIBUTES for part in ("--search-attribute", value)]
        with open(log, "ab") as output:
            server = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Its heap is small, so it collects all the time: a tenth of its CPU, measured.
                env={"GOGC": "400", **os.environ},
                preexec_fn=_die_with_parent,
            )
        deadline = time.monotonic() + _READY_SECONDS
        while server.poll() is None and time.monotonic() < deadline:
            if _listens(server.pid, ports):
                return server, ports
            time.sleep(0.02)
        _end(server)
    tail = log.read_text(errors="replace").strip().splitlines()[-3:]
    raise RuntimeError(f"the Temporal server did not start: {' / '.join(tail)} (log: {log})")


def dynamic_flags() -> list[str]:
    """The flags that make a development server quick."""
    return [part for value in _DYNAMIC_CONFIG for part in ("--dynamic-config-value", value)]


def _die_with_parent() -> None:
    """Linux: the server goes when its guardian is killed. Safe here: the guardian has one thread."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _end(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(5)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _end_stale(note: Path) -> None:
    """A server whose guardian was killed would write to the same database beside ours."""
    known = _read(note)
    with contextlib.suppress(psutil.Error, KeyError):
        process = psutil.Process(known["pid"])
        if process.create_time() == known["created"]:
            process.kill()
            process.wait(5)


def _note(note: Path, server: subprocess.Popen[bytes], ports: list[int]) -> None:
    me = psutil.Process()
    content = {
        "address": f"127.0.0.1:{ports[0]}",
        "webUI": f"http://127.0.0.1:{ports[1]}",
        "ports": ports,
        "pid": server.pid,
        "created": psutil.Process(server.pid).create_time(),
        "guardian": [me.pid, me.create_time()],
    }
    _write(note, content)


def _wanted_ports(note: Path) -> list[int]:
    """The ports of last time, so that bookmarks hold; at first Temporal's own."""
    ports = _read(note).get("ports")
    return ports if isinstance(ports, list) and len(ports) == 2 else list(_PREFERRED_PORTS)


def _read(note: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(note.read_text())
    except (OSError, ValueError):
        return {}
    return found


def _write(note: Path, content: dict[str, Any]) -> None:
    temporary = note.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps(content))
    temporary.chmod(0o600)
    temporary.rename(note)


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(pid: int, ports: list[int]) -> bool:
    """Whether this process serves both ports: another program may have taken one since it was free."""
    with contextlib.suppress(psutil.Error):
        listening = [each.laddr.port for each in psutil.Process(pid).net_connections("tcp") if each.status == "LISTEN"]
        return all(port in listening for port in ports)
    return False


if __name__ == "__main__":
    # The user's Ctrl-C is for the command; the server must outlive it until the command has ended.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.umask(0o077)
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
