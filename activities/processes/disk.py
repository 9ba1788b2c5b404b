"""What agents write: how much, into their directories, and into logs that get too long."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from activities.processes.bounds import MB
from activities.system.directories import walk

MAX_LOG_BYTES = 8 * MB
_PAGE = 4096
_KEEP_SIZE_PUNCH_HOLE = 3
_LOOKS_COST = 20


class Directory:
    """How much has been written into a directory since now.

    Looking through it takes its time: it is done only when the whole disk has been filled by so much that it matters.
    """

    def __init__(self, path: Path, most_mb: float) -> None:
        self._path = path
        self._most = most_mb
        self._since = time.time()
        self._disk = self._on_disk()
        self._not_before = 0.0
        self.mb = 0.0
        """At the last look."""

    def look(self) -> float:
        """MB that it holds of files changed since, not less than what would break the limit."""
        now = self._on_disk()
        # What others delete hides nothing.
        self._disk = min(self._disk, now)
        if self.mb + now - self._disk > self._most and time.monotonic() >= self._not_before:
            started = time.monotonic()
            self._disk, self.mb = now, _size(self._path, self._since) / MB
            self._not_before = started + _LOOKS_COST * (time.monotonic() - started)
        return self.mb

    def _on_disk(self) -> float:
        try:
            return shutil.disk_usage(self._path).used / MB
        except OSError:
            return 0.0


def _size(path: Path, since: float) -> int:
    """Bytes on disk of what was changed since; links are not followed."""
    size = 0
    with contextlib.suppress(OSError):
        for folder in walk(path):
            for name in (*folder.folders, *folder.files):
                with contextlib.suppress(OSError):
                    status = os.stat(name, dir_fd=folder.descriptor, follow_symlinks=False)
                    size += status.st_blocks * 512 if status.st_ctime >= since else 0
    return size


def written_mb(processes: Iterable[int]) -> float:
    """What processes, and those whose end they have seen, have sent to disks."""
    total = 0
    for process in processes:
        with contextlib.suppress(OSError, ValueError, StopIteration):
            lines = Path(f"/proc/{process}/io").read_text().splitlines()
            total += int(next(line for line in lines if line.startswith("write_bytes:")).split()[1])
    return total / MB


def free_middle(log: Path) -> None:
    """Give back the disk space of the middle of a log that is being written; its ends stay where they are."""
    with contextlib.suppress(OSError), open(log, "r+b") as file:
        size, half = os.fstat(file.fileno()).st_size, MAX_LOG_BYTES // 2
        start = -(-half // _PAGE) * _PAGE
        length = (size - half) // _PAGE * _PAGE - start
        if length > 0 and os.fstat(file.fileno()).st_blocks * 512 > 2 * MAX_LOG_BYTES:
            libc = ctypes.CDLL(None, use_errno=True)
            if hasattr(libc, "fallocate64"):
                libc.fallocate64(
                    file.fileno(), _KEEP_SIZE_PUNCH_HOLE, ctypes.c_longlong(start), ctypes.c_longlong(length)
                )


def shorten(log: Path) -> None:
    """Leave out the middle of a log that is too long, and say so in it; nobody writes to it any more."""
    half = MAX_LOG_BYTES // 2
    with contextlib.suppress(OSError):
        size = log.stat().st_size
        if size <= MAX_LOG_BYTES + _PAGE:
            return
        beside = log.with_name(f"{log.name}.short")
        with open(log, "rb") as whole, open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as cut:
            cut.write(whole.read(half))
            cut.write(f"\n[{size - 2 * half} bytes left out]\n".encode())
            whole.seek(size - half)
            shutil.copyfileobj(whole, cut)
        beside.replace(log)
