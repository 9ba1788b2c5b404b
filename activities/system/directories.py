"""Directories of any depth, size, names and modes: walked and deleted by file descriptors, without recursion.

Neither a path that is longer than the system's limit nor Python's own limit of recursion (`os.walk`, `shutil.rmtree`)
can end them.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from activities.system.process_identity import CURRENT_PROCESS, is_alive

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_WAIT_SECONDS = 2.0
_FAILED = "failed"
_log = logging.getLogger(__name__)


@dataclass
class Folder:
    """A directory on the way of `walk`."""

    path: str
    """From where the walk began; of that itself, the empty text."""
    descriptor: int
    """Open until the walk goes on."""
    folders: list[str] = field(default_factory=list)
    """Names of directories; what is taken out of the list is passed over."""
    files: list[str] = field(default_factory=list)
    """Names of all else."""
    identity: tuple[int, int] = (0, 0)

    @classmethod
    def read(cls, path: str, descriptor: int) -> Folder:
        status = os.fstat(descriptor)
        found = cls(path, descriptor, identity=(status.st_dev, status.st_ino))
        with os.scandir(descriptor) as entries:
            for entry in entries:
                (found.folders if entry.is_dir(follow_symlinks=False) else found.files).append(entry.name)
        return found


def walk(top: str | os.PathLike[str], *, at: int | None = None) -> Iterator[Folder]:
    """Every directory from `top` (`at`: seen from this open one) down, before what is in it; links are not followed.

    What cannot be read, or goes meanwhile, is passed over. Raises `OSError` where a directory is moved meanwhile.
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
    """Bytes of a file, or of the files in a directory; what goes meanwhile does not count."""
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


def is_without_links(root: Path, path: str) -> bool:
    """Whether no link has taken the place of a directory on the way from the root to a path, or of the path itself."""
    return os.path.realpath(root / path) == os.path.normpath(os.path.join(os.path.realpath(root), path))


def leads_out(path: str, target: str) -> bool:
    """Whether a link at a path of a directory would lead out of it, or into its `.git`."""
    leads = os.path.normpath(os.path.join(os.path.dirname(path), target))
    return leads.split("/")[0] in ("..", "", ".git")


def remove(top: str | os.PathLike[str]) -> None:
    """Delete a directory, or whatever else has that name. Of what it cannot delete all else goes all the same.

    Raises `OSError`, the first of them.
    """
    parent, name = os.path.split(os.path.abspath(top))
    at = os.open(parent, _OPEN & ~os.O_NOFOLLOW)
    try:
        if not stat.S_ISDIR(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=at)
            return
        errors = _emptied(_entered(name, at))
        try:
            os.rmdir(name, dir_fd=at)
        except OSError as error:
            errors.append(error)
        if errors:
            raise errors[0]
    finally:
        os.close(at)


def _emptied(descriptor: int) -> list[OSError]:
    """What hinders a directory from being empty; closes its descriptor."""
    errors: list[OSError] = []
    try:
        levels = [_without_files(Folder.read("", descriptor), errors)]
        while True:
            here = levels[-1]
            if here.folders:
                try:
                    below = _entered(here.folders[-1], descriptor)
                except OSError as error:
                    errors.append(error)
                    here.folders.pop()
                    continue
                os.close(descriptor)
                descriptor = below
                levels.append(_without_files(Folder.read("", descriptor), errors))
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


def _without_files(folder: Folder, errors: list[OSError]) -> Folder:
    for name in folder.files:
        try:
            os.unlink(name, dir_fd=folder.descriptor)
        except FileNotFoundError:
            continue
        except OSError as error:
            errors.append(error)
    folder.files.clear()
    return folder


def _entered(name: str, at: int) -> int:
    """A directory's descriptor, its modes such that what is in it can be deleted."""
    try:
        descriptor = os.open(name, _OPEN, dir_fd=at)
    except PermissionError:
        # By its name, which is no link's: nothing runs in there any more.
        os.chmod(name, 0o700, dir_fd=at)
        descriptor = os.open(name, _OPEN, dir_fd=at)
    with contextlib.suppress(OSError):
        os.fchmod(descriptor, 0o700)
    return descriptor


def _up(descriptor: int, expected: Folder) -> int:
    """The descriptor of the directory above, in place of that of the one below."""
    above = os.open("..", _OPEN, dir_fd=descriptor)
    status = os.fstat(above)
    if (status.st_dev, status.st_ino) != expected.identity:
        os.close(above)
        raise OSError(errno.ESTALE, "a directory was moved meanwhile")
    os.close(descriptor)
    expected.descriptor = above
    return above


class Trash:
    """A folder of what is on its way to deletion: out of the way at once, whatever then hinders its deletion."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "trash"

    def take(self, path: Path) -> None:
        """Delete a directory or file, if it is there; a large one goes on being deleted after this has returned."""
        pid, created = CURRENT_PROCESS
        self.folder.mkdir(mode=0o700, exist_ok=True)
        aside = self.folder / f"{pid}_{created}_{os.urandom(8).hex()}"
        try:
            path.rename(aside)
        except FileNotFoundError:
            return
        deleting = threading.Thread(target=self._delete, args=[aside], daemon=True)
        deleting.start()
        deleting.join(_WAIT_SECONDS)

    def empty(self) -> list[str]:
        """Delete what failed before, and what dead processes have left; a line for each that cannot be deleted."""
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
