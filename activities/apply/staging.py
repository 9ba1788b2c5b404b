"""Staging of a delivery: new files are prepared beside the tree, and every step is noted in the journal."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from activities.apply.atomic_rename import Identity, Name, beneath
from activities.apply.journal import Folder, Journal, Step
from activities.apply.plan import PathChange
from activities.git.command import LINK
from activities.system.directories import walk


def planned(
    journal: Journal, changes: list[PathChange], present: list[Identity | None], root: int, aside: int
) -> Journal:
    """Prepare the new files under their numbers in the directory `aside`; the journal with every step."""
    steps, made = [], dict[str, None]()
    folders = {folder.path: folder for folder in journal.folders}
    gone = {change.path for change in changes if change.new_mode is None}
    for number, (change, before) in enumerate(zip(changes, present, strict=True)):
        after = None
        if change.new_mode is not None:
            if before is not None and before.is_directory:
                before = None
            after = _prepare(change, before, number, root, aside)
        elif before is None:
            # Not on the disk, because of a sparse checkout.
            continue
        steps.append(Step(number, change.path, before, after))
        for parent in reversed(PurePosixPath(change.path).parents):
            _note_folder(str(parent), root, folders, made, gone, wanted=change.new_mode is not None)
    for path in _folders_replaced(journal, changes):
        _note_folder(path, root, folders, made, gone, wanted=False)
    kept = [folder for _, folder in sorted(folders.items(), key=lambda item: PurePosixPath(item[0]).parts)]
    return Journal(**{**vars(journal), "steps": steps, "folders": kept, "made": list(made)})


def _prepare(change: PathChange, before: Identity | None, number: int, root: int, aside: int) -> Identity:
    """Move a staged file to its number, with the mode and owner of the file that it replaces, and sync it."""
    with beneath(aside, f"tree/{change.path}") as staged:
        if staged is None:
            raise FileNotFoundError(errno.ENOENT, "not staged", change.path)
        made, target = staged.status(), Name(aside, str(number))
        if made is None:
            raise FileNotFoundError(errno.ENOENT, "not staged", change.path)
        os.rename(staged.name, target.name, src_dir_fd=staged.directory, dst_dir_fd=aside)
    if change.new_mode != LINK:
        opened = os.open(target.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=aside)
        try:
            if before is not None and change.old_mode not in (None, LINK):
                _copy_attributes(change, opened, root)
            os.fsync(opened)
        finally:
            os.close(opened)
    found = target.identity()
    assert found is not None
    return found


def _copy_attributes(change: PathChange, opened: int, root: int) -> None:
    with beneath(root, change.path) as name:
        status = name.status() if name else None
    if status is None:
        return
    mode = status.st_mode & 0o7777
    if change.old_mode != change.new_mode:
        mode = mode | (mode & 0o444) >> 2 if change.new_mode == "100755" else mode & ~0o111
    made = os.fstat(opened)
    if (made.st_uid, made.st_gid) != (status.st_uid, status.st_gid):
        with contextlib.suppress(PermissionError):
            os.fchown(opened, status.st_uid, status.st_gid)
    os.fchmod(opened, mode)


def _note_folder(
    path: str, root: int, folders: dict[str, Folder], made: dict[str, None], gone: set[str], *, wanted: bool
) -> None:
    if path in folders:
        return
    with beneath(root, path) as name:
        status = name.status() if name else None
    if status is not None and Identity.of(status).is_directory:
        folders[path] = Folder(path, status.st_mode & 0o7777, status.st_mtime_ns, status.st_uid, status.st_gid)
    elif wanted and (status is None or path in gone):
        made[path] = None


def _folders_replaced(journal: Journal, changes: list[PathChange]) -> Iterator[str]:
    """Directories that a file replaces, with those in them."""
    for change in changes:
        here = Path(journal.root, change.path)
        if change.new_mode is not None and here.is_dir() and not here.is_symlink():
            for folder in walk(here):
                yield os.path.normpath(os.path.join(change.path, folder.path))
