"""Undo of a delivery into a work tree, from any state, as often as needed."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
from pathlib import Path

from activities.apply.atomic_rename import SPARE, Name, beneath, directory, exchange, move
from activities.apply.journal import Folder, Journal, Step
from activities.git.command import display_path
from activities.system.directories import remove
from activities.system.failpoints import failpoint
from epw.core.errors import UndoBlocked


def discard(journal: Journal, folder: Path, *, undone: bool) -> None:
    """Remove the staging directory, then the journal: in this order a crash leaves no files behind unnoticed."""
    with contextlib.suppress(OSError):
        remove(journal.staging_path)
    if undone:
        with contextlib.suppress(OSError), directory(Path(journal.root)) as root:
            _restore_times(root, journal.folders[0])
    journal.remove(folder)


def undo(journal: Journal) -> None:
    """Restore each path that is still as the delivery left it. Idempotent; works on an interrupted delivery.

    Raises `UndoBlocked`, with commands, for paths that somebody has changed since.
    """
    if not journal.staging_path.is_dir():
        return
    left: list[Step] = []
    with directory(Path(journal.root)) as root, directory(journal.staging_path) as aside:
        for step in reversed(journal.steps):
            if step.before is None:
                left += [] if _remove_new(step, root, aside) else [step]
        for path in reversed(journal.made):
            remove_folder(root, path)
        for folder in journal.folders:
            _restore_folder(root, folder)
        for step in reversed(journal.steps):
            if step.before is not None:
                failpoint("undo.step")
                left += [] if _restore_old(step, root, aside) else [step]
        for folder in reversed(journal.folders):
            _restore_times(root, folder)
    if left:
        raise UndoBlocked(
            "changed since the delivery, so left as they are: "
            + ", ".join(display_path(step.path) for step in left[:5]),
            [undo_command(journal, step) for step in left],
        )


def _remove_new(step: Step, root: int, aside: int) -> bool:
    """Undo a new path; False if the user has changed it since."""
    ours = Name(aside, str(step.number))
    with beneath(root, step.path) as name:
        there = name.identity() if name else None
        if name is None or there is None or (there != step.after and ours.identity() is not None):
            return True
        if there != step.after:
            return False
        os.rename(name.name, ours.name, src_dir_fd=name.directory, dst_dir_fd=aside)
        return True


def _restore_old(step: Step, root: int, aside: int) -> bool:
    """Undo a changed or deleted path; False if the user has changed it since."""
    ours = Name(aside, str(step.number))
    with beneath(root, step.path) as name:
        if name is None:
            return False
        spare = Name(aside, f"{step.number}{SPARE}")
        if spare.identity() is not None:
            # Interrupted in an exchange that this file system cannot do in one step.
            os.rename(spare.name, ours.name, src_dir_fd=aside, dst_dir_fd=aside)
            if name.identity() == step.before:
                return True
        there, kept = name.identity(), ours.identity()
        if kept is None or kept == step.after:
            # The old file was never moved away.
            return True
        if step.after is None and there is None:
            move(ours, name)
        elif step.after is not None and there == step.after:
            exchange(ours, name)
        else:
            return there == step.before
    return True


def _restore_folder(root: int, folder: Folder) -> None:
    if folder.path == ".":
        return
    with beneath(root, folder.path) as name, contextlib.suppress(FileExistsError):
        if name is not None:
            os.mkdir(name.name, 0o700, dir_fd=name.directory)
            os.chmod(name.name, folder.mode, dir_fd=name.directory)
            with contextlib.suppress(PermissionError):
                os.chown(name.name, folder.owner, folder.group, dir_fd=name.directory, follow_symlinks=False)


def _restore_times(root: int, folder: Folder) -> None:
    with contextlib.suppress(OSError):
        if folder.path == ".":
            os.utime(root, ns=(folder.mtime, folder.mtime))
            return
        with beneath(root, folder.path) as name:
            if name is not None:
                times = (folder.mtime, folder.mtime)
                os.utime(name.name, ns=times, dir_fd=name.directory, follow_symlinks=False)


def undo_command(journal: Journal, step: Step) -> str:
    """Command that undoes a step by hand."""
    path = os.path.join(journal.root, step.path)
    if step.before is None:
        return shlex.join(["rm", "-f", "--", path])
    return shlex.join(["mv", "-fT", "--", str(journal.staging_path / str(step.number)), path])


def remove_folder(root: int, path: str) -> None:
    """Remove a directory if it is there and empty."""
    with beneath(root, path) as name, contextlib.suppress(FileNotFoundError, NotADirectoryError):
        if name is not None:
            try:
                os.rmdir(name.name, dir_fd=name.directory)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
