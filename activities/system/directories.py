"""Walk and deletion of directories of any depth, size, names and modes, by file descriptors and without recursion.

Paths longer than the system's limit do not stop them, nor does Python's limit of recursion, which stops `os.walk` and
`shutil.rmtree`.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from activities.system.process_identity import CURRENT_PROCESS, is_alive

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_WAIT_SECONDS = 2.0
_FAILED = "failed"
_THREAD = "epw-delete"
_log = logging.getLogger(__name__)


@dataclass
class Folder:
    """One directory of a `walk`."""

    path: str
    """Path from the top; empty for the top itself."""
    descriptor: int
    """Open until the walk continues."""
    folders: list[str] = field(default_factory=list)
    """Names of directories; those removed from the list are skipped."""
    files: list[str] = field(default_factory=list)
    """Names of everything else."""
    identity: tuple[int, int] = (0, 0)
    """Device and inode."""

    @classmethod
    def read(cls, path: str, descriptor: int) -> Folder:
        status = os.fstat(descriptor)
        found = cls(path, descriptor, identity=(status.st_dev, status.st_ino))
        with os.scandir(descriptor) as entries:
            for entry in entries:
                (found.folders if entry.is_dir(follow_symlinks=False) else found.files).append(entry.name)
        return found


def walk(top: str | os.PathLike[str], *, at: int | None = None) -> Iterator[Folder]:
    """Every directory from `top` down, each before those in it, without following links.

    `at`: open directory that `top` is relative to. Unreadable and vanished directories are skipped. Raises `OSError`
    if a directory is moved during the walk.
    """
    descriptor = os.open(top, _OPEN, dir_fd=at)
    try:
        levels = [Folder.read("", descriptor)]
        yield levels[0]
        while levels:
            here = levels[-1]
            if not here.folders:
                levels.pop()
                if levels:
                    descriptor = _up(descriptor, levels[-1])
                continue
            name = here.folders.pop()
            try:
                below = os.open(name, _OPEN, dir_fd=descriptor)
            except OSError:
                continue
            os.close(descriptor)
            descriptor = below
            levels.append(Folder.read(f"{here.path}/{name}" if here.path else name, descriptor))
            yield levels[-1]
    finally:
        os.close(descriptor)


def size_of(path: Path) -> int:
    """Bytes of a file, or of the files in a directory; files that vanish meanwhile do not count."""
    size = 0
    if path.is_symlink() or not path.is_dir():
        with contextlib.suppress(OSError):
            size = path.lstat().st_size
        return size
    for folder in walk(path):
        for name in folder.files:
            with contextlib.suppress(OSError):
                size += os.stat(name, dir_fd=folder.descriptor, follow_symlinks=False).st_size
    return size


def disk_usage(path: Path) -> int:
    """Bytes that a directory takes on disk, as `du` counts them but for links: whole blocks, folders too."""
    blocks = 0
    for folder in walk(path):
        with contextlib.suppress(OSError):
            blocks += os.fstat(folder.descriptor).st_blocks
        for name in folder.files:
            with contextlib.suppress(OSError):
                blocks += os.stat(name, dir_fd=folder.descriptor, follow_symlinks=False).st_blocks
    return blocks * 512


def is_without_links(root: Path, path: str) -> bool:
    """Whether neither a path nor any directory between the root and it is a link."""
    return os.path.realpath(root / path) == os.path.normpath(os.path.join(os.path.realpath(root), path))


def leads_out(path: str, target: str) -> bool:
    """Whether a link at a path of a directory would lead out of it, or into its `.git`."""
    leads = os.path.normpath(os.path.join(os.path.dirname(path), target))
    return leads.split("/")[0] in ("..", "", ".git")


def remove(top: str | os.PathLike[str]) -> None:
    """Delete a directory or anything else of that name; what cannot be deleted does not keep the rest.

    Raises the first `OSError`.
    """
    parent, name = os.path.split(os.path.abspath(top))
    at = os.open(parent, _OPEN & ~os.O_NOFOLLOW)
    try:
        if not stat.S_ISDIR(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=at)
            return
        errors = _empty(_enter(name, at))
        try:
            os.rmdir(name, dir_fd=at)
        except OSError as error:
            errors.append(error)
        if errors:
            raise errors[0]
    finally:
        os.close(at)


def _empty(descriptor: int) -> list[OSError]:
    """Empty a directory and close its descriptor; returns the errors."""
    errors: list[OSError] = []
    try:
        levels = [_delete_files(Folder.read("", descriptor), errors)]
        while True:
            here = levels[-1]
            if here.folders:
                try:
                    below = _enter(here.folders[-1], descriptor)
                except OSError as error:
                    errors.append(error)
                    here.folders.pop()
                    continue
                os.close(descriptor)
                descriptor = below
                levels.append(_delete_files(Folder.read("", descriptor), errors))
                continue
            levels.pop()
            if not levels:
                return errors
            descriptor = _up(descriptor, levels[-1])
            try:
                os.rmdir(levels[-1].folders.pop(), dir_fd=descriptor)
            except OSError as error:
                errors.append(error)
    finally:
        os.close(descriptor)


def _delete_files(folder: Folder, errors: list[OSError]) -> Folder:
    for name in folder.files:
        try:
            os.unlink(name, dir_fd=folder.descriptor)
        except FileNotFoundError:
            continue
        except OSError as error:
            errors.append(error)
    folder.files.clear()
    return folder


def _enter(name: str, at: int) -> int:
    """Open a directory, its mode changed so that its content can be deleted."""
    try:
        descriptor = os.open(name, _OPEN, dir_fd=at)
    except PermissionError:
        # Not a link, which `_OPEN` refuses; nothing runs in there any more.
        os.chmod(name, 0o700, dir_fd=at)
        descriptor = os.open(name, _OPEN, dir_fd=at)
    with contextlib.suppress(OSError):
        os.fchmod(descriptor, 0o700)
    return descriptor


def _up(descriptor: int, expected: Folder) -> int:
    """Open the parent of a directory and close the directory; raises `OSError` if that was moved."""
    above = os.open("..", _OPEN, dir_fd=descriptor)
    status = os.fstat(above)
    if (status.st_dev, status.st_ino) != expected.identity:
        os.close(above)
        raise OSError(errno.ESTALE, "a directory was moved meanwhile")
    os.close(descriptor)
    expected.descriptor = above
    return above


class Trash:
    """Folder for files on their way to deletion: they are out of the way at once, even if deleting them fails."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def take(self, path: Path, *, is_awaited: bool = False) -> None:
        """Delete a directory or file if it is there; for a large one, deletion continues after this has returned.

        `is_awaited`: somebody waits for more than this, so that it returns as soon as the path is free.
        """
        pid, created = CURRENT_PROCESS
        self.folder.mkdir(mode=0o700, exist_ok=True)
        aside = self.folder / f"{pid}_{created}_{os.urandom(8).hex()}"
        try:
            path.rename(aside)
        except FileNotFoundError:
            return
        deleting = threading.Thread(target=self._delete, args=[aside], daemon=True, name=_THREAD)
        deleting.start()
        deleting.join(0 if is_awaited else _WAIT_SECONDS)

    @staticmethod
    def settle() -> None:
        """Wait a moment for deletions that continue, before this process ends; the next one does what is left."""
        deadline = time.monotonic() + _WAIT_SECONDS
        for deleting in (each for each in threading.enumerate() if each.name == _THREAD):
            deleting.join(max(0.0, deadline - time.monotonic()))

    def empty(self) -> list[str]:
        """Delete what failed before and what dead processes left; a message for each that cannot be deleted."""
        lines = []
        for path in sorted(self.folder.iterdir()) if self.folder.is_dir() else []:
            owner = path.name.split("_")
            if owner[0] != _FAILED and len(owner) == 3 and is_alive((int(owner[0]), float(owner[1]))):
                continue
            if error := self._delete(path):
                lines.append(f"{path} cannot be deleted ({error.strerror or error}); it is tried again")
        return lines

    def _delete(self, path: Path) -> OSError | None:
        try:
            remove(path)
        except FileNotFoundError:
            pass
        except OSError as error:
            _log.debug("%s: %s", path, error)
            with contextlib.suppress(OSError):
                path.rename(self.folder / f"{_FAILED}_{os.urandom(8).hex()}")
            return error
        return None
