"""Creation of a network namespace in this thread.

As a script it also creates a user namespace around it and sends the descriptors of both to its parent. An ordinary
user's worker starts it for every attempt, so it imports little.
"""

import ctypes
import fcntl
import os
import socket
import struct
import sys

_NEW_USER = 0x10000000
_NEW_NET = 0x40000000
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 0x1


def enter(*, as_user: bool = False) -> bool:
    """Put this thread into a network namespace of its own; whether the kernel allows it."""
    return bool(ctypes.CDLL(None).unshare(_NEW_NET | (_NEW_USER if as_user else 0)) == 0)


def keep_user(uid: int, gid: int) -> None:
    """Keep the ids that this process had before it entered a user namespace of its own."""
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def make(listeners: int) -> tuple[list[int], list[int]]:
    """File descriptors of this thread's network namespace, and of `listeners` sockets that listen on its loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        (flags,) = struct.unpack("16xH14x", fcntl.ioctl(any_socket, _GET_FLAGS, struct.pack("16s16x", b"lo")))
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sH14x", b"lo", flags | _UP))
    net = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    return [net], [socket.create_server(("127.0.0.1", 0)).detach() for _ in range(listeners)]


def _main(channel: int, listeners: int) -> None:
    uid, gid = os.getuid(), os.getgid()
    if not enter(as_user=True):
        sys.exit("this machine allows its users no network namespaces")
    keep_user(uid, gid)
    namespaces, listening = make(listeners)
    user = os.open("/proc/self/ns/user", os.O_RDONLY)
    with socket.socket(fileno=channel) as sending:
        socket.send_fds(sending, [b" "], [*namespaces, user, *listening])


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]))
