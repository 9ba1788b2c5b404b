"""Who may speak to the embedded server: processes of its owner, but for those of agents.

The server itself asks nobody for anything. So it is behind this door: the kernel says whose the other end of a
connection is (its user, its processes), and who is nobody's is not let in.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import psutil

from activities.limits.processes import MARKER

_ESTABLISHED = "01"
_GROUPS = "/epw/"
_MAX_ANCESTORS = 200


def may_enter(home: Path, connection: socket.socket) -> bool:
    """Whether the other end of a connection on this machine is a process of ours that no agent has started."""
    found = _owner_and_inode(connection)
    if found is None:
        # It is gone, or on another machine.
        return False
    owner, inode = found
    if owner != os.geteuid():
        return False
    holders = list(_holders(inode))
    workers = dict(_workers(home))
    return bool(holders) and not any(_is_agent(home, pid, workers) for pid in holders)


def _owner_and_inode(connection: socket.socket) -> tuple[int, int] | None:
    """The user and the inode of the other end's socket, as the kernel lists it."""
    try:
        ours, theirs = (_as_listed(*end[:2]) for end in (connection.getsockname(), connection.getpeername()))
    except OSError:
        return None
    with open("/proc/net/tcp") as table:
        for line in table:
            fields = line.split()
            if fields[1:4] == [theirs, ours, _ESTABLISHED]:
                return int(fields[7]), int(fields[9])
    return None


def _as_listed(address: str, port: int) -> str:
    (number,) = struct.unpack("=I", socket.inet_aton(address))
    return f"{number:08X}:{port:04X}"


def _holders(inode: int) -> Iterator[int]:
    """The processes that have a socket open."""
    wanted = f"socket:[{inode}]"
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(os.readlink(entry.path) == wanted for entry in os.scandir(process / "fd")):
                yield int(process.name)


def _workers(home: Path) -> Iterator[tuple[int, float]]:
    """Workers of the state directory, by process id: when each began."""
    for path in (home / "running").glob("*.worker"):
        with contextlib.suppress(OSError, ValueError, KeyError):
            pid, created = json.loads(path.read_bytes())["worker"]
            yield pid, created


def _is_agent(home: Path, pid: int, workers: dict[int, float]) -> bool:
    """Whether a process carries an attempt's marker, is in an attempt's group, or descends from a worker."""
    try:
        process = psutil.Process(pid)
        marker = process.environ().get(MARKER, "").split("/")
        if len(marker) > 1 and (home / "executions" / marker[0] / marker[1]).is_dir():
            return True
        if _GROUPS in Path(f"/proc/{pid}/cgroup").read_text():
            return True
        # A worker adopts what its agents leave, so nothing of theirs is anybody else's.
        for ancestor in process.parents()[:_MAX_ANCESTORS]:
            if ancestor.pid in workers and abs(workers[ancestor.pid] - ancestor.create_time()) < 1:
                return True
    except (psutil.Error, OSError):
        return True
    return False
