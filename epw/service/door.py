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
from collections.abc import Collection, Iterator
from pathlib import Path

import psutil

from activities.processes.process_tree import MARKER
from activities.system.process_identity import KEPT, Process

# linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h
_SOCK_DIAG, _BY_FAMILY, _REQUEST, _HEAD = 4, 20, 1, 16
_ESTABLISHED = 1 << 1
_ANY_OF_THEM = struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
"""Whichever interface, whichever cookie."""
_SECONDS = 2.0
_LOOKS = 3
Workers = Collection[Process]
_GROUPS = "/epw/"
_MAX_ANCESTORS = 200


def may_connect(home: Path, connection: socket.socket, known: Workers) -> bool:
    """Whether the other end of a connection on this machine is a process of ours that no agent has started.

    `known`: workers that were seen before, which agents cannot make forgotten.
    """
    found = _owner_and_inode(connection)
    if found is None:
        # It is gone, or on another machine.
        return False
    owner, inode = found
    if owner != os.geteuid():
        return False
    # Processes come and go while they are looked through.
    holders = next(filter(None, (list(_holders(inode)) for _ in range(_LOOKS))), [])
    return bool(holders) and not any(is_agent(home, pid, known) for pid in holders)


def _owner_and_inode(connection: socket.socket) -> tuple[int, int] | None:
    """The user and the inode of the other end's socket, as the kernel knows them; None: it is not on this machine.

    By the kernel's own look-up of one socket (sock_diag(7)): the list in /proc/net/tcp misses some while others come
    and go.
    """
    try:
        (address, port), (other, other_port) = connection.getpeername()[:2], connection.getsockname()[:2]
    except OSError:
        return None
    ends = struct.pack("!HH4s12x4s12x", port, other_port, socket.inet_aton(address), socket.inet_aton(other))
    asked = struct.pack("=BBxxI", socket.AF_INET, socket.IPPROTO_TCP, _ESTABLISHED) + ends + _ANY_OF_THEM
    head = struct.pack("=IHHII", _HEAD + len(asked), _BY_FAMILY, _REQUEST, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as kernel:
        kernel.settimeout(_SECONDS)
        kernel.sendto(head + asked, (0, 0))
        answer = kernel.recv(8192)
    if struct.unpack_from("=H", answer, 4)[0] != _BY_FAMILY:
        return None
    # struct inet_diag_msg: states, both ends, expiry and queues; then the user and the inode.
    owner, inode = struct.unpack_from("=II", answer, _HEAD + 4 + 48 + 12)
    return (owner, inode) if inode else None


def _holders(inode: int) -> Iterator[int]:
    """The processes that have a socket open."""
    wanted = f"socket:[{inode}]"
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(os.readlink(entry.path) == wanted for entry in os.scandir(process / "fd")):
                yield int(process.name)


def workers_of(home: Path) -> Iterator[Process]:
    """Workers that stand in the state directory, and who adopts what they leave."""
    for path in (home / "running").glob("*.worker"):
        with contextlib.suppress(OSError, ValueError, KeyError):
            content = json.loads(path.read_bytes())
            yield from ((each[0], each[1]) for each in (content["worker"], content.get("keeper")) if each)


def is_agent(home: Path, pid: int, known: Workers) -> bool:
    """Whether a process carries an attempt's marker, is in an attempt's group, or descends from a worker.

    From a worker that is dead too: then it descends from that one's keeper.
    """
    try:
        process = psutil.Process(pid)
        marker = process.environ().get(MARKER, "").split("/")
        if len(marker) > 1 and (home / "executions" / marker[0] / marker[1]).is_dir():
            return True
        if _GROUPS in Path(f"/proc/{pid}/cgroup").read_text():
            return True
        workers = [*known, *workers_of(home)]
        # A worker adopts what its agents leave, so nothing of theirs is anybody else's.
        ancestors = process.parents()[:_MAX_ANCESTORS]
        if "".join(process.cmdline()[-1:]).startswith(KEPT):
            # The next worker, of which the state directory does not know yet.
            ancestors = ancestors[1:]
        for ancestor in ancestors:
            if any(each == ancestor.pid and abs(began - ancestor.create_time()) < 1 for each, began in workers):
                return True
    except (psutil.Error, OSError):
        return True
    return False
