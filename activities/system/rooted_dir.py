"""Access to files beneath a directory and nowhere else, whatever links are there or are swapped in meanwhile.

Uses openat2(2) with RESOLVE_BENEATH if the kernel has it; else opens part by part, without following links.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import secrets
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import IO

from activities.system.directories import walk
from activities.system.file_modes import user_umask

_OPENAT2 = 437
_RESOLVE_NO_MAGICLINKS, _RESOLVE_BENEATH = 0x02, 0x08  # linux/openat2.h
_PATH_ONLY = getattr(os, "O_PATH", os.O_RDONLY)
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY
_MAX_TRIES = 100


class PathEscape(OSError):
    """Path that leads out of the directory."""


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


class RootedDir:
    """Open directory."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        # The directory itself may have been swapped for a link.
        parent, name = os.path.split(os.path.abspath(root))
        self._path = os.path.join(os.path.realpath(parent), name)
        self._root = os.open(self._path, _DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)

    @classmethod
    @contextmanager
    def opened(cls, root: str | os.PathLike[str]) -> Iterator[RootedDir]:
        """Open a directory while the block runs."""
        beneath = cls(root)
        try:
            yield beneath
        finally:
            os.close(beneath._root)

    def relative(self, path: str) -> str:
        """A path, absolute or not, relative to the directory, with its `..` resolved. Raises `PathEscape`."""
        whole = os.path.normpath(os.path.join(self._path, path))
        if whole != self._path and not whole.startswith(f"{self._path}/"):
            raise PathEscape(errno.EXDEV, "outside of the working directory")
        return os.path.relpath(whole, self._path)

    def existing(self, path: str) -> str:
        """As `relative`, for a path that exists and leads nowhere else. Raises `OSError`, `PathEscape`."""
        inner = self.relative(path)
        with self._open(inner, _PATH_ONLY):
            return inner

    def read(self, path: str, most: int) -> bytes:
        """Content of a regular file, up to `most` + 1 bytes. Raises `OSError`, `PathEscape`."""
        with self.file(path) as file:
            return file.read(most + 1)

    @contextmanager
    def file(self, path: str) -> Iterator[IO[bytes]]:
        """Open a regular file for reading while the block runs. Raises `OSError`, `PathEscape`."""
        with self._open(self.relative(path), os.O_RDONLY | os.O_NONBLOCK) as descriptor:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            with open(descriptor, "rb", closefd=False) as file:
                yield file

    def write(self, path: str, content: bytes | Iterable[bytes], mode: int = 0o666) -> None:
        """Replace or create a file in one step, with its parent directories. Its other hard links keep the old content.

        `mode`: of a new file, before the user's umask. Raises `OSError`, `PathEscape`.
        """
        parent, name = os.path.split(self._followed(self.relative(path)))
        with self._directory(parent) as folder:
            mode &= ~user_umask()
            with contextlib.suppress(FileNotFoundError):
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if stat.S_ISDIR(found.st_mode):
                    raise IsADirectoryError(errno.EISDIR, "is a directory")
                mode = stat.S_IMODE(found.st_mode) if stat.S_ISREG(found.st_mode) else mode
            beside = f".{secrets.token_hex(8)}.tmp"
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
            try:
                with open(descriptor, "wb") as file:
                    os.fchmod(descriptor, mode)
                    for chunk in [content] if isinstance(content, bytes) else content:
                        file.write(chunk)
                os.replace(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(beside, dir_fd=folder)
                raise

    def files(self, path: str) -> Iterator[tuple[str, float]]:
        """Path and mtime (seconds) of every file in a directory and beneath it; links are not followed."""
        start = self.relative(path)
        with self._open(start, _DIRECTORY) as descriptor:
            for folder in walk(".", at=descriptor):
                for name in folder.files:
                    with contextlib.suppress(OSError):
                        found = os.stat(name, dir_fd=folder.descriptor, follow_symlinks=False)
                        yield os.path.normpath(os.path.join(start, folder.path, name)), found.st_mtime

    def _followed(self, path: str) -> str:
        """The target of a link if it is one, else the path. Raises `PathEscape`."""
        try:
            with self._open(path, _PATH_ONLY) as descriptor:
                return self.relative(os.readlink(f"/proc/self/fd/{descriptor}"))
        except (FileNotFoundError, NotADirectoryError):
            return path

    @contextmanager
    def _directory(self, path: str) -> Iterator[int]:
        """Open a directory while the block runs, created if missing."""
        with contextlib.ExitStack() as opened:
            folder, so_far = self._root, ""
            for part in [each for each in path.split("/") if each not in ("", ".")]:
                so_far = os.path.join(so_far, part)
                try:
                    inner = opened.enter_context(self._open(so_far, _DIRECTORY))
                except FileNotFoundError:
                    is_new = False
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(part, dir_fd=folder)
                        is_new = True
                    inner = opened.enter_context(self._open(so_far, _DIRECTORY))
                    if is_new:
                        os.fchmod(inner, 0o777 & ~user_umask())
                folder = inner
            yield folder

    @contextmanager
    def _open(self, path: str, flags: int) -> Iterator[int]:
        opens = _by_openat2 if _has_openat2() else _part_by_part
        descriptor = opens(self._root, path, flags | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _by_openat2(root: int, path: str, flags: int) -> int:
    how = _How(flags, 0, _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS)
    # The kernel gives up (EAGAIN) if something is renamed meanwhile.
    for _ in range(_MAX_TRIES):
        number = _syscall(root, os.fsencode(path), how)
        if number >= 0:
            return number
        if ctypes.get_errno() != errno.EAGAIN:
            break
    failed = ctypes.get_errno()
    if failed in (errno.EXDEV, errno.EAGAIN):
        raise PathEscape(failed, "outside of the working directory")
    raise OSError(failed, os.strerror(failed))


def _part_by_part(root: int, path: str, flags: int) -> int:
    *parents, name = path.split("/")
    folder = os.dup(root)
    try:
        for part in parents:
            inner = os.open(part, _DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(name, flags | os.O_NOFOLLOW, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):
            raise PathEscape(error.errno, "a link, and links are not followed here") from None
        raise
    finally:
        os.close(folder)


@cache
def _has_openat2() -> bool:
    if sys.platform != "linux":
        return False
    here = os.open(".", os.O_RDONLY)
    try:
        number = _syscall(here, b".", _How(_PATH_ONLY | os.O_CLOEXEC, 0, _RESOLVE_BENEATH))
    finally:
        os.close(here)
    if number >= 0:
        os.close(number)
    return number >= 0


def _syscall(root: int, path: bytes, how: _How) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    return int(libc.syscall(_OPENAT2, root, ctypes.c_char_p(path), ctypes.byref(how), ctypes.sizeof(how)))
