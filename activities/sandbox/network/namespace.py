"""Network namespace with a loopback interface alone, on which this process listens."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread

from activities.sandbox.network import make_namespace

_MAX_FDS = 8
_SECONDS = 10
_VARIABLES = ("PATH", "LANG", "LD_LIBRARY_PATH")


@dataclass(frozen=True)
class Namespace:
    """File descriptors of a network namespace and of the user namespace that owns it, and its listening sockets."""

    net: int
    user: int | None
    listeners: list[socket.socket]

    @classmethod
    @contextmanager
    def create(cls, listeners: int) -> Iterator[Namespace]:
        """A namespace for the block, kept while processes run in it. Raises `OSError` where none is possible."""
        namespaces, listening = _create_by_thread(listeners) or _create_by_process(listeners)
        with contextlib.ExitStack() as opened:
            for descriptor in namespaces:
                opened.callback(os.close, descriptor)
            sockets = [opened.enter_context(socket.socket(fileno=each)) for each in listening]
            yield cls(namespaces[0], namespaces[1] if len(namespaces) > 1 else None, sockets)

    def argv_prefix(self) -> list[str]:
        """First words of a command that runs in the namespace."""
        own = f"/proc/{os.getpid()}/fd"
        user = [] if self.user is None else [f"--user={own}/{self.user}", "--preserve-credentials"]
        return ["nsenter", *user, f"--net={own}/{self.net}", "--"]


_Created = tuple[list[int], list[int]]


def _create_by_thread(listeners: int) -> _Created | None:
    """Create it by a thread that enters the namespace and ends there: fast. None where only root may."""
    created: Future[_Created | None] = Future()

    def make() -> None:
        try:
            created.set_result(make_namespace.make(listeners) if make_namespace.enter() else None)
        except OSError as error:
            created.set_exception(error)

    Thread(target=make, daemon=True).start()
    return created.result(_SECONDS)


def _create_by_process(listeners: int) -> _Created:
    """Create it by a process: only a process of a single thread can enter a user namespace."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        argv = [sys.executable, "-I", "-S", make_namespace.__file__, str(theirs.fileno()), str(listeners)]
        # Agents of the same user can read its environment, so it gets no keys.
        env = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
        done = subprocess.run(
            argv, env=env, pass_fds=[theirs.fileno()], capture_output=True, timeout=_SECONDS, check=False
        )
        if done.returncode:
            raise OSError(done.stderr.decode(errors="replace").strip().rpartition("\n")[2])
        _, received, _, _ = socket.recv_fds(ours, 1, _MAX_FDS, socket.MSG_CMSG_CLOEXEC)
    return received[:2], received[2:]
