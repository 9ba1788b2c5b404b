"""Advisory lock on a file (`flock`) between processes and threads; the kernel releases it however its holder ends."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from activities.system.file_modes import owner_only


class FileLock:
    """Open lock file. Closing it releases the lock."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    @classmethod
    @contextmanager
    def opened(cls, path: Path) -> Iterator[FileLock]:
        """Open the file, created if missing, without taking the lock."""
        with open(path, "a", opener=owner_only) as file:
            yield cls(file)

    @classmethod
    def inherited(cls, descriptor: int) -> FileLock:
        """A lock file whose descriptor another process has opened, and its lock with it if that process took it."""
        return cls(os.fdopen(descriptor, "a"))

    @property
    def descriptor(self) -> int:
        """Descriptor to hand to another process, which then holds the lock too."""
        return self._file.fileno()

    def acquire(self, *, shared: bool = False) -> None:
        """Block the thread until the lock is free."""
        fcntl.flock(self._file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)

    def try_acquire(self) -> bool:
        """Take the lock for this holder alone; False if another one has it."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Give the lock back; the file stays open."""
        fcntl.flock(self._file, fcntl.LOCK_UN)

    async def poll(self, seconds: float) -> None:
        """Wait without a thread: the wait may be long, and the holder may need the threads."""
        while not self.try_acquire():  # noqa: ASYNC110 (other processes hold it too)
            await asyncio.sleep(seconds)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock while the block runs; waits for it."""
    with FileLock.opened(path) as lock:
        lock.acquire()
        yield
