"""Preparation of a process before anything else: streams, encoding, environment. Imports little, to come first."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import io
import os
import signal
import sys
from typing import NoReturn, TextIO

_ENV_START, _ENV_END = 50, 51
"""Fields of /proc/self/stat, numbered as in proc(5)."""
_AFTER_NAME = 3
INTERRUPTED = 130
NOTHING_BEGUN = "epw: stopped before anything was started"


def prepare() -> None:
    """Open the streams, use UTF-8 (which may restart this program), hide the environment.

    Until `begin`, Ctrl-C ends the process at once, and nothing looks for garbage: libraries make none when they are
    imported, and the search took a sixth of a worker's start.
    """
    gc.disable()
    # An exception in the middle of an import becomes whatever the library makes of it.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)
    _open_streams()
    _use_utf8()
    _hide_environment()


def begin() -> None:
    """Make Ctrl-C a `KeyboardInterrupt` again, which asyncio turns into a cancellation: something may be started."""
    gc.freeze()
    gc.enable()
    if signal.getsignal(signal.SIGINT) is _stop:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _stop(*_: object) -> NoReturn:
    with contextlib.suppress(OSError):
        os.write(2, f"{NOTHING_BEGUN}\n".encode())
    os._exit(INTERRUPTED)


def _open_streams() -> None:
    """Open standard input, output and error where they are closed: else the next opened file would become one of them.

    Characters that they cannot encode are escaped (`\\xe9`).
    """
    while (opened := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(opened, True)
    os.close(opened)
    sys.stdin = sys.stdin or os.fdopen(0)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")
    sys.stdout, sys.stderr = (_Lenient.around(stream) for stream in (sys.stdout, sys.stderr))


class _Lenient(io.TextIOWrapper):
    """Text stream that reports a write error once and then drops further output; a broken pipe is still raised."""

    _is_full = False

    @classmethod
    def around(cls, stream: TextIO) -> TextIO:
        if not isinstance(stream, io.TextIOWrapper):
            return stream
        encoding, buffered = stream.encoding, stream.line_buffering
        return cls(stream.detach(), encoding=encoding, errors="backslashreplace", line_buffering=buffered)

    def write(self, text: str) -> int:
        if not self._is_full:
            try:
                super().write(text)
            except OSError as error:
                self._fail(error)
        return len(text)

    def flush(self) -> None:
        if not self._is_full:
            try:
                super().flush()
            except OSError as error:
                self._fail(error)

    def _fail(self, error: OSError) -> None:
        if isinstance(error, BrokenPipeError):
            raise error
        self._is_full = True
        if self is not sys.stderr:
            print(f"epw: standard output cannot be written: {error.strerror}", file=sys.stderr, flush=True)


def _use_utf8() -> None:
    """Use UTF-8 for files and names whatever the locale; children inherit it."""
    if sys.getfilesystemencoding().lower().replace("-", "") != "utf8" and os.environ.get("PYTHONUTF8") != "1":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _hide_environment() -> None:
    """Copy the variables elsewhere in memory and blank the original; this process sees no difference.

    Every process of the same user, an agent's command too, can read in `/proc/PID/environ` the variables with which a
    process was started, whatever that does to its variables later.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, ValueError, IndexError):
        with open("/proc/self/stat", "rb") as file:
            # The program name, in parentheses, may contain spaces and parentheses.
            fields = file.read().rpartition(b")")[2].split()
        start, end = (int(fields[number - _AFTER_NAME]) for number in (_ENV_START, _ENV_END))
        if 0 < start < end:
            for name, value in os.environb.items():
                os.putenv(name, value)
            ctypes.memset(start, 0, end - start)
