"""A network namespace with nothing in it but its own loopback, on which this process listens."""

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
    """File descriptors of the namespace, of the user namespace that it belongs to, and of what listens in it."""

    net: int
    user: int | None
    listeners: list[socket.socket]

    @classmethod
    @contextmanager
    def made(cls, listeners: int) -> Iterator[Namespace]:
        """One for the block, that lives on while something runs in it. Raises `OSError` where there can be none."""
        namespaces, listening = _made_by_a_thread(listeners) or _made_by_a_process(listeners)
        with contextlib.ExitStack() as opened:
            for descriptor in namespaces:
                opened.callback(os.close, descriptor)
            sockets = [opened.enter_context(socket.socket(fileno=each)) for each in listening]
            yield cls(namespaces[0], namespaces[1] if len(namespaces) > 1 else None, sockets)

    def entering(self) -> list[str]:
        """What a command begins with that runs in it."""
        own = f"/proc/{os.getpid()}/fd"
        user = [] if self.user is None else [f"--user={own}/{self.user}", "--preserve-credentials"]
        return ["nsenter", *user, f"--net={own}/{self.net}", "--"]


_Made = tuple[list[int], list[int]]


def _made_by_a_thread(listeners: int) -> _Made | None:
    """At once, by a thread that goes into the namespace and ends there; None: only root may."""
    made: Future[_Made | None] = Future()

    def make() -> None:
        try:
            made.set_result(make_namespace.make(listeners) if make_namespace.enter() else None)
        except OSError as error:
            made.set_exception(error)

    Thread(target=make, daemon=True).start()
    return made.result(_SECONDS)


def _made_by_a_process(listeners: int) -> _Made:
    """By a process, since a user's namespace begins with one of a single thread."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        argv = [sys.executable, "-I", "-S", make_namespace.__file__, str(theirs.fileno()), str(listeners)]
        # For every attempt of an ordinary user: what it was started with, other agents may read.
        env = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
        done = subprocess.run(
            argv, env=env, pass_fds=[theirs.fileno()], capture_output=True, timeout=_SECONDS, check=False
        )
        if done.returncode:
            raise OSError(done.stderr.decode(errors="replace").strip().rpartition("\n")[2])
        _, received, _, _ = socket.recv_fds(ours, 1, _MAX_FDS, socket.MSG_CMSG_CLOEXEC)
    return received[:2], received[2:]
