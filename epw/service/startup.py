"""What a process of ours does before anything else, so that neither its streams, its locale nor its variables can
spoil what follows. Imports little, so that it can come first.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import sys
from typing import TextIO

_ENV_START, _ENV_END = 50, 51
"""Fields of /proc/self/stat, as proc(5) counts them."""
_AFTER_NAME = 3


def prepare() -> None:
    """All of it. Starts this program again where Python reads and writes in another encoding than UTF-8."""
    _open_streams()
    _use_utf8()
    _hide_environment()


def _open_streams() -> None:
    """Have standard input, output and error open: else the next file that is opened would be one of them.

    What they cannot encode is written out (`\\xe9`), and ends nothing.
    """
    while (opened := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(opened, True)
    os.close(opened)
    sys.stdin = sys.stdin or os.fdopen(0)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")
    sys.stdout, sys.stderr = (_Lenient.around(stream) for stream in (sys.stdout, sys.stderr))


class _Lenient(io.TextIOWrapper):
    """A stream whose disk or device takes no more: that is said once, and what is left is not written.

    A pipe that nobody reads is another matter.
    """

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
    """Files and names are UTF-8, whatever the locale says; children inherit that."""
    if sys.getfilesystemencoding().lower().replace("-", "") != "utf8" and os.environ.get("PYTHONUTF8") != "1":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _hide_environment() -> None:
    """Move the variables elsewhere in memory, and blank where they stood; they stay what they are for this process.

    What a process was started with stands in `/proc/PID/environ` for as long as it runs, whatever it does to its
    variables later, for every process of the same user to read: an agent's command, say.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, ValueError, IndexError):
        with open("/proc/self/stat", "rb") as file:
            # The name of the program, in parentheses, may hold anything.
            fields = file.read().rpartition(b")")[2].split()
        start, end = (int(fields[number - _AFTER_NAME]) for number in (_ENV_START, _ENV_END))
        if 0 < start < end:
            for name, value in os.environb.items():
                os.putenv(name, value)
            ctypes.memset(start, 0, end - start)
