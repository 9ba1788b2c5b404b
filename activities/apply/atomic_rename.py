"""Atomic renames in the user's directories that follow no links.

A path is exchanged with its successor in one step (Linux `renameat2`, macOS `renameatx_np`): it is never absent, and
the old file is kept as it was at that moment, so that an edit of the last microsecond is seen and not lost.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_EXCLUSIVE, _EXCHANGE = (4, 2) if sys.platform == "darwin" else (1, 2)
SPARE = ".spare"
_UNSUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
_libc = ctypes.CDLL(None, use_errno=True)
_rename = getattr(_libc, "renameatx_np" if sys.platform == "darwin" else "renameat2", None)


@dataclass(frozen=True)
class Identity:
    """Attributes that distinguish one state of a file from another; times in nanoseconds."""

    inode: int
    size: int
    mtime: int
    mode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Identity:
        return cls(status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode)

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.mode)


@dataclass(frozen=True)
class Name:
    """A name in an open directory."""

    directory: int
    name: str

    def status(self) -> os.stat_result | None:
        """Status of its file, or of a link itself; None without a file."""
        with contextlib.suppress(FileNotFoundError):
            return os.stat(self.name, dir_fd=self.directory, follow_symlinks=False)
        return None

    def identity(self) -> Identity | None:
        """Identity of its file; None without a file."""
        status = self.status()
        return Identity.of(status) if status else None


@contextmanager
def directory(path: Path) -> Iterator[int]:
    """Open a directory while the block runs; yields its descriptor."""
    opened = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield opened
    finally:
        os.close(opened)


@contextmanager
def beneath(root: int, path: str) -> Iterator[Name | None]:
    """Open the parent of a relative path while the block runs; yields the name in it.

    Yields None if a parent is missing, no directory, or a link.
    """
    parts = PurePosixPath(path).parts
    opened = os.dup(root)
    try:
        for part in parts[:-1]:
            try:
                inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=opened)
            except (FileNotFoundError, NotADirectoryError):
                yield None
                return
            except OSError as error:
                if error.errno != errno.ELOOP:
                    raise
                yield None
                return
            os.close(opened)
            opened = inner
        yield Name(opened, parts[-1])
    finally:
        os.close(opened)


def exchange(first: Name, second: Name) -> None:
    """Exchange the files of two names."""
    if _try_rename(first, second, _EXCHANGE):
        return
    # The file system cannot exchange: a second name keeps the old file while it is replaced.
    spare = f"{first.name}{SPARE}"
    _link(second, Name(first.directory, spare))
    os.rename(first.name, second.name, src_dir_fd=first.directory, dst_dir_fd=second.directory)
    os.rename(spare, first.name, src_dir_fd=first.directory, dst_dir_fd=first.directory)


def move(source: Name, target: Name) -> None:
    """Move a file to a free name; raises `FileExistsError` if it is taken."""
    if _try_rename(source, target, _EXCLUSIVE):
        return
    _link(source, target)
    os.unlink(source.name, dir_fd=source.directory)


def _link(source: Name, target: Name) -> None:
    os.link(source.name, target.name, src_dir_fd=source.directory, dst_dir_fd=target.directory, follow_symlinks=False)


def _try_rename(source: Name, target: Name, flags: int) -> bool:
    if _rename is None:
        return False
    names = (source.directory, os.fsencode(source.name), target.directory, os.fsencode(target.name))
    if _rename(*names, ctypes.c_uint(flags)) == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNSUPPORTED:
        return False
    raise OSError(code, os.strerror(code), target.name)
