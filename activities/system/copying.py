"""Copies of files and directories with modes and times; they share their blocks if the file system can."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from activities.system.directories import walk

_CLONE = 0x40049409  # FICLONE, linux/fs.h


def copy_path(source: Path, target: Path, *, overwrite: bool) -> Iterator[tuple[Path, Path]]:
    """Copy a file or directory; yields each link and its target path, for the caller to create.

    If the target has a link in place of a directory, that directory is left out.
    """
    if source.is_symlink() or not source.is_dir():
        yield from _copy_file(source, target, overwrite)
        return
    copied = []
    for folder in walk(source):
        into = target / folder.path
        if into.is_symlink():
            folder.folders.clear()
            continue
        into.mkdir(exist_ok=True)
        copied.append(folder.path)
        for name in folder.files:
            yield from _copy_file(source / folder.path / name, into / name, overwrite)
    for path in reversed(copied):
        shutil.copystat(source / path, target / path)


def copy_with_links(source: Path, target: Path, *, overwrite: bool) -> None:
    """As `copy_path`, with links copied as they are."""
    for link, place in copy_path(source, target, overwrite=overwrite):
        put_link(os.readlink(link), place)


def put_link(leads_to: str, place: Path) -> None:
    """Create a link in place of any file or link of that name."""
    beside = _beside(place)
    os.symlink(leads_to, beside)
    beside.replace(place)


def _copy_file(source: Path, target: Path, overwrite: bool) -> Iterator[tuple[Path, Path]]:
    if os.path.lexists(target) and not overwrite:
        return
    if source.is_symlink():
        yield source, target
    elif source.is_file():
        beside = _beside(target)
        with open(source, "rb") as content, open(beside, "wb") as copy:
            try:
                fcntl.ioctl(copy, _CLONE, content.fileno())
            except OSError:
                shutil.copyfileobj(content, copy, 1 << 20)
        shutil.copystat(source, beside)
        beside.replace(target)


def _beside(place: Path) -> Path:
    return place.with_name(f".{place.name}.epw-copy")
