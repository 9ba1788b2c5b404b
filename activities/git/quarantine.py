"""Quarantine of new objects until it is known which are to be stored: one may be the clear text of an encoded file.

`git add` writes an object for each file before anybody can check whether a filter has encoded it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from activities.git.command import GitLocation, piped_git
from activities.git.hub import Hub
from activities.system.directories import remove


@contextmanager
def quarantine(folder: Path) -> Iterator[Path]:
    """Create a folder for objects while the block runs."""
    for name in ("info", "pack"):
        (folder / name).mkdir(mode=0o700, parents=True)
    try:
        yield folder
    finally:
        remove(folder)


def release(hub: Hub, tree: str, before: str, place: GitLocation) -> None:
    """Store the objects that a tree has and `before` has not, from the quarantine of `place`."""
    with (
        piped_git("pack-objects", "--revs", "--stdout", "-q", **place) as (revisions, pack),
        piped_git("unpack-objects", "-q", git_dir=hub.path) as (into, _),
    ):
        revisions.write(f"{tree}\n^{before}\n".encode())
        revisions.close()
        shutil.copyfileobj(pack, into, 1 << 20)
