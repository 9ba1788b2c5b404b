"""Disk use of agents: of their directories, and of logs that grow too long."""

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
_PAUSE_FACTOR = 20
"""A measurement is followed by a pause of this many times its duration."""


class DirectoryUsage:
    """MB written into a directory since this object was created.

    Walking a directory is slow: it happens only when the use of the whole disk has grown enough to break the limit.
    """

    def __init__(self, path: Path, max_mb: float) -> None:
        self._path = path
        self._max_mb = max_mb
        self._started = time.time()
        self._disk_mb = self._read_disk_mb()
        self._not_before = 0.0
        self.mb = 0.0
        """Result of the last measurement, MB."""

    def measure(self) -> float:
        """MB of files changed since the start; exact once the limit may be broken, else the last measurement."""
        now = self._read_disk_mb()
        # Space that others free must not hide what is written here.
        self._disk_mb = min(self._disk_mb, now)
        if self.mb + now - self._disk_mb > self._max_mb and time.monotonic() >= self._not_before:
            started = time.monotonic()
            self._disk_mb, self.mb = now, _size(self._path, self._started) / MB
            self._not_before = started + _PAUSE_FACTOR * (time.monotonic() - started)
        return self.mb

    def _read_disk_mb(self) -> float:
        try:
            return shutil.disk_usage(self._path).used / MB
        except OSError:
            return 0.0


def _size(path: Path, since: float) -> int:
    """Bytes on disk of entries changed at or after `since` (epoch seconds); links are not followed."""
    size = 0
    with contextlib.suppress(OSError):
        for folder in walk(path):
            for name in (*folder.folders, *folder.files):
                with contextlib.suppress(OSError):
                    status = os.stat(name, dir_fd=folder.descriptor, follow_symlinks=False)
                    size += status.st_blocks * 512 if status.st_ctime >= since else 0
    return size


def written_mb(processes: Iterable[int]) -> float:
    """MB that processes, and children that they have waited for, have sent to disks."""
    total = 0
    for process in processes:
        with contextlib.suppress(OSError, ValueError, StopIteration):
            lines = Path(f"/proc/{process}/io").read_text().splitlines()
            total += int(next(line for line in lines if line.startswith("write_bytes:")).split()[1])
    return total / MB


def free_middle(log: Path) -> None:
    """Free the disk space of the middle of a log that is being written; both ends keep their offsets."""
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
    """Cut the middle out of a log that is too long and note it there; the log must have no writer any more."""
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
