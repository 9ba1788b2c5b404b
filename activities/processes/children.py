"""Child processes: the one place that starts those with a session of their own, and ends and reaps others.

A subreaper adopts whatever outlives its parent among its descendants. To tell such a stranger from a process that it
has just started itself, a start and the search for strangers exclude each other, and every process that was started
stays in the table, unreaped, until its owner lets go of it: its id can mean nobody else meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psutil

_PR_SET_CHILD_SUBREAPER, _PR_GET_CHILD_SUBREAPER = 36, 37
_MAX_SECONDS = 10.0

# Of the whole process, on purpose: the kernel gives a process one set of children, whoever in it has started them.
_lock = threading.Lock()
_own: dict[int, Child] = {}
_libraries: list[str] = []
"""Markers of what libraries start by themselves, which is not in the table."""


class Child:
    """A process that `start` has started, in a session of its own."""

    def __init__(self, popen: subprocess.Popen[bytes], *, is_tree: bool) -> None:
        self.is_tree = is_tree
        self._popen = popen
        self._pidfd = os.pidfd_open(popen.pid) if hasattr(os, "pidfd_open") else None
        self._ended: asyncio.Future[int] | None = None

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def stdin(self) -> Any:
        return self._popen.stdin

    async def wait(self) -> int:
        """Exit code; negative: the number of the signal that ended it. It stays a zombie until `reap`."""
        if self._ended is None:
            loop = asyncio.get_running_loop()
            self._ended = loop.create_future()
            if self._pidfd is None:
                self._ended = asyncio.ensure_future(asyncio.to_thread(self._popen.wait))
            else:
                loop.add_reader(self._pidfd, self._tell, loop, self._pidfd)
        return await asyncio.shield(self._ended)

    def poll(self) -> int | None:
        """Exit code, reaped; None while it runs."""
        with _lock:
            if self._popen.poll() is not None:
                _own.pop(self.pid, None)
        return self._popen.returncode

    def signal_group(self, number: signal.Signals) -> None:
        """Signal everything in its group; harmless once that is empty, since its id is not given out before `reap`."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._popen.send_signal(number)

    def reap(self) -> None:
        """Wait for its end, and forget it."""
        self._popen.wait()
        with _lock:
            _own.pop(self.pid, None)
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None

    def _tell(self, loop: asyncio.AbstractEventLoop, pidfd: int) -> None:
        loop.remove_reader(pidfd)
        found = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOWAIT)
        assert self._ended is not None
        assert found is not None
        code = found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
        if not self._ended.done():
            self._ended.set_result(code)


def start(argv: Sequence[str], *, is_tree: bool, entering: Callable[[], None] | None = None, **options: Any) -> Child:
    """Start a process in a session of its own, with the options of `subprocess.Popen`.

    `is_tree`: it may leave orphans while it runs, which nothing distinguishes from the orphans of a dead one.
    `entering`: runs before, in a thread that ends with the start; what it does to its thread, the process inherits.
    """
    if entering is None:
        return _started(argv, is_tree, options)
    found: list[Child | BaseException] = []

    def in_thread() -> None:
        try:
            entering()
            found.append(_started(argv, is_tree, options))
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join()
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


def _started(argv: Sequence[str], is_tree: bool, options: dict[str, Any]) -> Child:
    with _lock:
        child = Child(subprocess.Popen(argv, start_new_session=True, **options), is_tree=is_tree)
        _own[child.pid] = child
        return child


def adopt_orphans() -> bool:
    """Become the parent of whatever outlives its own parent among this process's descendants; whether that works.

    Linux only: elsewhere only the marker in its environment tells whose an orphan is.
    """
    return sys.platform == "linux" and bool(ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def _adopts_orphans() -> bool:
    """Whether this process is a subreaper now, as the kernel knows it."""
    value = ctypes.c_int()
    prctl = getattr(ctypes.CDLL(None), "prctl", None) if sys.platform == "linux" else None
    return prctl is not None and not prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(value), 0, 0, 0) and bool(value.value)


@contextmanager
def library(marker: str) -> Iterator[None]:
    """While the block runs, children may be those of a library, which starts and reaps them by itself."""
    with _lock:
        _libraries.append(marker)
    try:
        yield
    finally:
        with _lock:
            _libraries.remove(marker)


def all_known(environment_key: str) -> bool:
    """Whether every living descendant of this process is one that it, or a library for it, has started.

    A library's carry its marker in the variable `environment_key`.
    """
    if not _adopts_orphans():
        return False
    with _lock:
        return all(_is_library(process, environment_key) for process in _strangers() if is_alive(process))


def end_strangers(*, when_idle: bool = False) -> int:
    """Kill and reap what was adopted, and what that leaves; how many there were.

    `when_idle`: only while no tree runs that it may belong to.
    """
    ended = 0
    deadline = time.monotonic() + _MAX_SECONDS
    while _adopts_orphans() and time.monotonic() < deadline:
        with contextlib.ExitStack() as opened:
            with _lock:
                if _libraries or (when_idle and any(child.is_tree for child in _own.values())):
                    break
                # By descriptors: whatever is started once the lock is free cannot be one of these.
                victims = [_opened(process.pid, opened) for process in _strangers()]
            for pidfd in victims:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            for pidfd in victims:
                with contextlib.suppress(ChildProcessError):
                    os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
        if not victims:
            break
        # What a victim leaves is adopted in turn.
        ended += len(victims)
    return ended


def is_alive(process: psutil.Process) -> bool:
    """Whether that very process is there, and no zombie."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _opened(pid: int, opened: contextlib.ExitStack) -> int:
    pidfd = os.pidfd_open(pid)
    opened.callback(os.close, pidfd)
    return pidfd


def _strangers() -> list[psutil.Process]:
    """Children in sessions of their own that are not in the table, dead ones too; with the lock held.

    Whatever is started without a session of its own, git for one, is in this process's.
    """
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(ProcessLookupError):
            if child.pid not in _own and os.getsid(child.pid) != os.getsid(0):
                found.append(child)
    return found


def _is_library(process: psutil.Process, environment_key: str) -> bool:
    try:
        return process.environ().get(environment_key) in _libraries
    except (psutil.Error, OSError):
        return False
