"""Child processes: started in sessions of their own and reaped here, as are orphans that this process adopts.

A subreaper becomes the parent of every descendant whose own parent has ended (prctl(2), PR_SET_CHILD_SUBREAPER). To
tell such an orphan from a process that was just started here, a start and the search for orphans exclude each other,
and each started process stays in the table, unreaped, until its owner calls `reap`: its id is not reused meanwhile.
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

# State of the whole process, on purpose: the kernel gives a process one set of children, whichever object started them.
_lock = threading.Lock()
_own: dict[int, Child] = {}
_libraries: list[str] = []
"""Markers of libraries that start processes by themselves, which are not in the table."""


class Child:
    """Process that `start` has started, in a session of its own."""

    def __init__(self, popen: subprocess.Popen[bytes], *, is_tree: bool) -> None:
        self.is_tree = is_tree
        self.popen = popen
        self._pidfd = os.pidfd_open(popen.pid) if hasattr(os, "pidfd_open") else None
        self._ended: asyncio.Future[int] | None = None

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def stdin(self) -> Any:
        return self.popen.stdin

    async def wait(self) -> int:
        """Exit code; negative: the number of the signal that ended it. It stays a zombie until `reap`."""
        if self._ended is None:
            loop = asyncio.get_running_loop()
            self._ended = loop.create_future()
            if self._pidfd is None:
                self._ended = asyncio.ensure_future(asyncio.to_thread(self.popen.wait))
            else:
                loop.add_reader(self._pidfd, self._set_ended, loop, self._pidfd)
        return await asyncio.shield(self._ended)

    def poll(self) -> int | None:
        """Exit code, reaped; None while it runs."""
        with _lock:
            if self.popen.poll() is not None:
                _own.pop(self.pid, None)
        return self.popen.returncode

    def signal_group(self, number: signal.Signals) -> None:
        """Signal its whole process group; harmless when that is empty, since its id is not reused before `reap`."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def signal(self, number: signal.Signals) -> None:
        # Not by `Popen.send_signal`, which reaps a process that has ended: `wait` would not see its end any more.
        with contextlib.suppress(ProcessLookupError):
            if self.popen.returncode is None:
                os.kill(self.pid, number)

    def reap(self) -> None:
        """Wait for its end, reap it and remove it from the table."""
        self.popen.wait()
        with _lock:
            _own.pop(self.pid, None)
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None

    def _set_ended(self, loop: asyncio.AbstractEventLoop, pidfd: int) -> None:
        loop.remove_reader(pidfd)
        found = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOWAIT)
        assert self._ended is not None
        assert found is not None
        code = found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
        if not self._ended.done():
            self._ended.set_result(code)


def start(
    argv: Sequence[str], *, is_tree: bool, thread_setup: Callable[[], None] | None = None, **options: Any
) -> Child:
    """Start a process in a session of its own, with the options of `subprocess.Popen`.

    `is_tree`: it may leave orphans while it runs, which look like the orphans of a process that has ended.
    `thread_setup`: called in a thread of its own that then starts the process, which inherits what it does to it.
    """
    if thread_setup is None:
        return _started(argv, is_tree, options)
    found: list[Child | BaseException] = []

    def in_thread() -> None:
        try:
            thread_setup()
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


@contextmanager
def running(argv: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own, as by `start`; it is waited for, and reaped here alone."""
    child = start(argv, is_tree=True, **options)
    try:
        yield child.popen
    finally:
        child.reap()


def adopt_orphans() -> bool:
    """Become the parent of descendants whose own parent ends; whether that works.

    Linux only: elsewhere an orphan is recognised by the marker in its environment alone.
    """
    return sys.platform == "linux" and bool(ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def _adopts_orphans() -> bool:
    """Whether the kernel knows this process as a subreaper."""
    value = ctypes.c_int()
    prctl = getattr(ctypes.CDLL(None), "prctl", None) if sys.platform == "linux" else None
    return prctl is not None and not prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(value), 0, 0, 0) and bool(value.value)


@contextmanager
def left_to_library(marker: str) -> Iterator[None]:
    """Let a library start and reap children by itself while the block runs."""
    with _lock:
        _libraries.append(marker)
    try:
        yield
    finally:
        with _lock:
            _libraries.remove(marker)


def has_only_known_children(environment_key: str) -> bool:
    """Whether every living child of this process was started here, or by a library; False where orphans escape.

    A library's processes carry its marker in the variable `environment_key`.
    """
    if not _adopts_orphans():
        return False
    with _lock:
        return all(_is_library(process, environment_key) for process in _orphans() if is_alive(process))


def end_orphans(*, when_idle: bool = False) -> int:
    """Kill and reap adopted orphans, and the orphans that these leave; returns how many there were.

    `when_idle`: only while no process tree runs to which they may belong.
    """
    ended = 0
    deadline = time.monotonic() + _MAX_SECONDS
    while _adopts_orphans() and time.monotonic() < deadline:
        with contextlib.ExitStack() as opened:
            with _lock:
                if _libraries or (when_idle and any(child.is_tree for child in _own.values())):
                    break
                # Held by descriptors: a process started after the lock is released cannot be taken for one of these.
                orphans = [_opened(process.pid, opened) for process in _orphans()]
            for pidfd in orphans:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            for pidfd in orphans:
                with contextlib.suppress(ChildProcessError):
                    os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
        if not orphans:
            break
        # The orphans of a victim are adopted in turn.
        ended += len(orphans)
    return ended


def is_alive(process: psutil.Process) -> bool:
    """Whether this process, not another with its id, exists and is not a zombie."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _opened(pid: int, opened: contextlib.ExitStack) -> int:
    pidfd = os.pidfd_open(pid)
    opened.callback(os.close, pidfd)
    return pidfd


def _orphans() -> list[psutil.Process]:
    """Children, zombies too, with another session than this process that are not in the table. The lock must be held.

    Processes started otherwise, such as git, share this process's session.
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
