"""Access to the embedded server: for processes of its owner, except those of agents (docs/adr/0001).

The server itself has no authentication. So the kernel is asked which user and which processes hold the other end of a
connection, and one without a known owner is refused.
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
from activities.state.state_directory import StateDirectory
from activities.system.process_identity import SUPERVISED_BY, Process

# linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h
_SOCK_DIAG, _BY_FAMILY, _REQUEST, _HEADER_BYTES = 4, 20, 1, 16
_ESTABLISHED = 1 << 1
_ANY_SOCKET = struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
"""Any interface, any cookie."""
_SECONDS = 2.0
_ATTEMPTS = 3
Workers = Collection[Process]
Address = tuple[str, int]
_GROUP_FOLDER = "/epw/"
_MAX_ANCESTORS = 200


def may_connect(state: StateDirectory, connection: socket.socket, known: Workers) -> bool:
    """Whether the other end of a connection is a process of this user on this machine that no agent has started.

    `known`: workers seen before; an agent may have deleted their records since.
    """
    try:
        other, own = connection.getpeername()[:2], connection.getsockname()[:2]
    except OSError:
        return False
    return may_connect_from(state, other, own, known)


def may_connect_from(state: StateDirectory, other: Address, own: Address, known: Workers = ()) -> bool:
    """As `may_connect`, of the connection between two addresses."""
    found = _owner_and_inode(other, own)
    if found is None:
        # The other end has gone, or is on another machine.
        return False
    owner, inode = found
    if owner != os.geteuid():
        return False
    # Repeated, since processes start and end while they are listed.
    holders = next(filter(None, (list(_holders(inode)) for _ in range(_ATTEMPTS))), [])
    return bool(holders) and not any(is_agent(state, pid, known) for pid in holders)


def _owner_and_inode(other: Address, own: Address) -> tuple[int, int] | None:
    """User id and inode of the socket at the other end of a connection; None where it is not on this machine.

    Looked up by sock_diag(7): the list in /proc/net/tcp misses sockets while others are opened and closed.
    """
    ends = struct.pack("!HH4s12x4s12x", other[1], own[1], socket.inet_aton(other[0]), socket.inet_aton(own[0]))
    request = struct.pack("=BBxxI", socket.AF_INET, socket.IPPROTO_TCP, _ESTABLISHED) + ends + _ANY_SOCKET
    header = struct.pack("=IHHII", _HEADER_BYTES + len(request), _BY_FAMILY, _REQUEST, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as kernel:
        kernel.settimeout(_SECONDS)
        kernel.sendto(header + request, (0, 0))
        answer = kernel.recv(8192)
    if struct.unpack_from("=H", answer, 4)[0] != _BY_FAMILY:
        return None
    # struct inet_diag_msg: states, both ends, expiry and queues come before the user and the inode.
    owner, inode = struct.unpack_from("=II", answer, _HEADER_BYTES + 4 + 48 + 12)
    return (owner, inode) if inode else None


def _holders(inode: int) -> Iterator[int]:
    """Ids of the processes that hold a socket open."""
    wanted = f"socket:[{inode}]"
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(os.readlink(entry.path) == wanted for entry in os.scandir(process / "fd")):
                yield int(process.name)


def workers_of(state: StateDirectory) -> Iterator[Process]:
    """Workers on record in the state directory, and their supervisors, which adopt what they leave."""
    for path in state.worker_records():
        with contextlib.suppress(OSError, ValueError, KeyError):
            content = json.loads(path.read_bytes())
            yield from ((each[0], each[1]) for each in (content["worker"], content.get("keeper")) if each)


def is_agent(state: StateDirectory, pid: int, known: Workers) -> bool:
    """Whether a process carries an attempt's marker, is in an attempt's control group, or descends from a worker.

    Of a worker that has died, the descendants are those of its supervisor. True where that cannot be found out.
    """
    try:
        process = psutil.Process(pid)
        marker = process.environ().get(MARKER, "").split("/")
        if len(marker) > 1 and state.execution(f"{marker[0]}/{marker[1]}").is_dir():
            return True
        if _GROUP_FOLDER in Path(f"/proc/{pid}/cgroup").read_text():
            return True
        workers = [*known, *workers_of(state)]
        # A worker adopts the orphans of its agents, so all that an agent has started descends from it.
        ancestors = process.parents()[:_MAX_ANCESTORS]
        if "".join(process.cmdline()[-1:]).startswith(SUPERVISED_BY):
            # The next worker, which has no record in the state directory yet.
            ancestors = ancestors[1:]
        for ancestor in ancestors:
            if any(each == ancestor.pid and abs(began - ancestor.create_time()) < 1 for each, began in workers):
                return True
    except (psutil.Error, OSError):
        return True
    return False
