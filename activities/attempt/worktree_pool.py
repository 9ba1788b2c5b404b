"""Directories of attempts that ended cleanly, for the next attempt of the same execution.

Filling a directory anew costs a write for each file; moving one on costs a look at each. Only the directory of an
attempt that succeeded, and of which no process is left, comes here.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from activities.git.tree import WorkTree
from activities.system.directories import Trash, remove
from activities.system.process_identity import CURRENT_PROCESS, UMASK, is_alive

_MAX_RACES = 100
_USUAL_MODE = 0o777 & ~UMASK


class NotReusable(Exception):
    """Something in the directory that only a fresh one is certain not to have."""


class WorktreePool:
    def __init__(self, folder: Path, trash: Trash) -> None:
        self.folder = folder
        self._trash = trash

    def keep(self, directory: Path) -> Path:
        """Put an attempt's directory by; where it is now."""
        pid, created = CURRENT_PROCESS
        spare = self.folder / f"{pid}_{created}_{os.urandom(8).hex()}"
        for left in reversed(range(_MAX_RACES)):
            try:
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                directory.rename(spare)
                break
            except FileNotFoundError:
                # An attempt that ends has removed the folder, empty as it was.
                if not left or not directory.is_dir():
                    raise
        return spare

    def take(self, directory: Path) -> bool:
        """Make a spare the directory of an attempt; False where there is none. Nobody else gets the same one."""
        for spare in sorted(self._kept()):
            try:
                spare.rename(directory)
            except OSError:
                continue
            return True
        return False

    def drop_orphans(self) -> None:
        """Delete what was put by by processes that are gone."""
        for spare in self._kept():
            pid, created, _ = spare.name.split("_")
            if not is_alive((int(pid), float(created))):
                self.drop(spare)
        with contextlib.suppress(OSError):
            for folder in (self.folder, self.folder.parent, self.folder.parent.parent):
                folder.rmdir()

    def _kept(self) -> list[Path]:
        """What is put by; not what is being deleted, from under whoever would take it."""
        return list(self.folder.glob("[0-9]*_*_*")) if self.folder.is_dir() else []

    def drop(self, spare: Path) -> None:
        """Delete a spare that nobody took meanwhile."""
        self._trash.take(spare)


def bare(work_tree: WorkTree) -> None:
    """Delete everything from a directory but the files that are as they were checked out.

    Which those are is told by ctime, the one time of a file that an agent cannot set: also where content and
    modification time are the old ones, a mode, a link or an attribute may not be. Raises `NotReusable`.
    """
    tracked = set(work_tree.tracked())
    folders = {os.path.dirname(path) for path in tracked}
    for path in list(folders):
        while path := os.path.dirname(path):
            folders.add(path)
    # Written after the last file. What has this very time may be the agent's: clocks of file systems are coarse.
    checked_out = work_tree.fresh_index.stat().st_mtime_ns
    root = str(work_tree.path)
    top = os.lstat(root)
    waiting = [""]
    while waiting:
        here = waiting.pop()
        absolute = os.path.join(root, here) if here else root
        _check(absolute, top)
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


def _check(folder: str, top: os.stat_result) -> None:
    """A directory must be one as git makes them: its times tell nothing of who changed it."""
    status = os.lstat(folder)
    usual = 0o700 if status.st_ino == top.st_ino else _USUAL_MODE
    expected = (top.st_dev, os.geteuid(), os.getegid(), usual)
    if (status.st_dev, status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) != expected:
        raise NotReusable(folder)
    if os.listxattr(folder, follow_symlinks=False):
        raise NotReusable(folder)
