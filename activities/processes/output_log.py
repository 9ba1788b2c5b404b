"""Log of an attempt's output: readable at any time, without secrets, kept to a bound."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from activities.processes.disk import free_middle, shorten
from activities.system.atomic_write import write_atomically
from activities.system.file_modes import owner_only

_UNREDACTED = "unredacted"
"""Folder beside the logs for output of running attempts as it was written."""
_CONTEXT_BYTES = 8192
"""So much of what was copied already is looked at again: a secret may begin there."""
_MAX_COPIED_BYTES = 1_000_000
_MAX_LINE_BYTES = 65_536


class OutputLog:
    """A log file, and the file that processes write to: the same one where nothing has to be redacted.

    Attempts that go on append to the log of their beginning. An output that a killed worker left is taken in anew.
    """

    def __init__(self, path: Path, redact: Callable[[bytes], bytes] | None) -> None:
        """`redact`: removes the secrets from a text; None where there are none."""
        self.path = path
        self._redact = redact
        self._copied = 0
        """Bytes of the output that the log has."""
        self._before = 0
        """Bytes of the log before this output."""
        self._lock = Lock()
        self.written = path
        """The file that takes output as it comes."""
        if redact is not None:
            self.written = self._find_written()

    def _find_written(self) -> Path:
        """The output file, whose name has the size of the log before it."""
        folder, name = self.path.parent / _UNREDACTED, self.path.stem
        left = [each for each in folder.glob("*") if each.name.rpartition(".")[0] == name]
        if left:
            self._before = int(left[0].suffix[1:])
            with contextlib.suppress(OSError):
                os.truncate(self.path, self._before)
            return left[0]
        with contextlib.suppress(FileNotFoundError):
            self._before = self.path.stat().st_size
        return folder / f"{name}.{self._before}"

    def catch_up(self) -> None:
        """Add whole lines that were written since to the log, and keep the files to their bound."""
        with self._lock, contextlib.suppress(OSError):
            free_middle(self.written)
            if self._redact is not None:
                self._copy(self._redact)

    def _copy(self, redact: Callable[[bytes], bytes]) -> None:
        with open(self.written, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            self._copied = min(self._copied, size)
            begin = max(self._copied, size - _MAX_COPIED_BYTES)
            file.seek(max(0, begin - _CONTEXT_BYTES))
            known, new = file.read(min(begin, _CONTEXT_BYTES)), file.read(size - begin)
        end = new.rfind(b"\n") + 1 or (len(new) if len(new) > _MAX_LINE_BYTES else 0)
        if not end:
            return
        before, added, whole = redact(known), redact(new[:end]), redact(known + new[:end])
        with open(self.path, "a+b", opener=owner_only) as log:
            if begin > self._copied:
                log.write(f"\n[{begin - self._copied} bytes left out]\n".encode())
            elif before + added != whole:
                # A secret lies across the place where the last copy ended.
                at = log.tell() - len(before)
                log.seek(max(0, at))
                if at >= self._before and log.read() == before:
                    log.truncate(at)
                    added = whole
            log.write(added)
        free_middle(self.path)
        self._copied = begin + end

    def close(self) -> None:
        """Complete the log; nobody writes any more."""
        shorten(self.written)
        if self._redact is None:
            return
        with self._lock, contextlib.suppress(OSError):
            redacted = self._redact(self.written.read_bytes())
            earlier = b""
            with contextlib.suppress(FileNotFoundError), open(self.path, "rb") as log:
                earlier = log.read(self._before)
            write_atomically(self.path, earlier + redacted)
            self.written.unlink()
        shorten(self.path)
