"""Pool of checked out directories, from attempts that ended, for the next attempt of the same execution.

A new checkout costs a write for each file, a reused one a stat. Only the directory of an attempt that succeeded, and
of which no process is left, is put here.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from activities.git.work_tree import WorkTree
from activities.system.directories import Trash, remove
from activities.system.file_modes import user_umask
from activities.system.process_identity import CURRENT_PROCESS, is_alive

_MAX_RACES = 100


class NotReusable(Exception):
    """The directory has something that cannot be cleaned away with certainty."""


class WorktreePool:
    """The pool of one execution, shared by its workers on this host."""

    def __init__(self, folder: Path, trash: Trash) -> None:
        self.folder = folder
        self._trash = trash

    def release(self, directory: Path) -> Path:
        """Move an attempt's directory into the pool; returns where it is now."""
        pid, created = CURRENT_PROCESS
        pooled = self.folder / f"{pid}_{created}_{os.urandom(8).hex()}"
        for left in reversed(range(_MAX_RACES)):
            try:
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                directory.rename(pooled)
                break
            except (FileNotFoundError, FileExistsError):
                # An attempt that ended has removed the folder, which was empty, perhaps while `mkdir` looked twice.
                if not left or not directory.is_dir():
                    raise
        return pooled

    def acquire(self, directory: Path) -> bool:
        """Move a directory of the pool to `directory`, and to nobody else; False where the pool is empty."""
        for pooled in sorted(self._pooled()):
            try:
                pooled.rename(directory)
            except OSError:
                continue
            return True
        return False

    @property
    def is_empty(self) -> bool:
        """Whether it has no directory."""
        return not self._pooled()

    def discard_orphans(self) -> None:
        """Delete directories of processes that are gone."""
        for pooled in self._pooled():
            pid, created, _ = pooled.name.split("_")
            if not is_alive((int(pid), float(created))):
                self.discard(pooled)
        with contextlib.suppress(OSError):
            for folder in (self.folder, self.folder.parent, self.folder.parent.parent):
                folder.rmdir()

    def _pooled(self) -> list[Path]:
        """The directories of the pool; not those that are being deleted."""
        return list(self.folder.glob("[0-9]*_*_*")) if self.folder.is_dir() else []

    def discard(self, pooled: Path) -> None:
        """Delete a directory of the pool, unless an attempt has acquired it."""
        self._trash.take(pooled)


def clean_to_index(work_tree: WorkTree) -> None:
    """Delete everything from a directory except files that have not been touched since the checkout.

    A file's ctime shows that: no agent can set it, and it also changes with mode, links and attributes. Raises
    `NotReusable`.
    """
    tracked = set(work_tree.tracked())
    folders = {os.path.dirname(path) for path in tracked}
    for path in list(folders):
        while path := os.path.dirname(path):
            folders.add(path)
    # The index is written after the last file. A file of the same time may be the agent's: file clocks are coarse.
    checked_out = work_tree.fresh_index.stat().st_mtime_ns
    root = str(work_tree.path)
    top = os.lstat(root)
    waiting = [""]
    while waiting:
        here = waiting.pop()
        absolute = os.path.join(root, here) if here else root
        _check_folder(absolute, top)
        with os.scandir(absolute) as entries:
            for entry in entries:
                path = f"{here}/{entry.name}" if here else entry.name
                is_directory = entry.is_dir(follow_symlinks=False)
                if is_directory and path in folders:
                    waiting.append(path)
                elif is_directory:
                    remove(entry.path)
                elif path not in tracked or entry.stat(follow_symlinks=False).st_ctime_ns >= checked_out:
                    os.unlink(entry.path)


def _check_folder(folder: str, top: os.stat_result) -> None:
    """Raises `NotReusable` for a folder that is not as git makes it; its times do not show who changed it."""
    status = os.lstat(folder)
    usual = 0o700 if status.st_ino == top.st_ino else 0o777 & ~user_umask()
    expected = (top.st_dev, os.geteuid(), os.getegid(), usual)
    if (status.st_dev, status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) != expected:
        raise NotReusable(folder)
    if os.listxattr(folder, follow_symlinks=False):
        raise NotReusable(folder)
