"""New objects kept apart until it is known which are to be stored: the clear text of an encoded file may be one.

git writes an object for each file that it is told to add, before anybody can see what it has made of it.
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
    """A folder for objects, gone when the block ends."""
    for name in ("info", "pack"):
        (folder / name).mkdir(mode=0o700, parents=True)
    try:
        yield folder
    finally:
        remove(folder)


def release(hub: Hub, tree: str, before: str, place: GitLocation) -> None:
    """Store what a tree has and `before` has not, from the quarantine of `place`."""
    with (
        piped_git("pack-objects", "--revs", "--stdout", "-q", **place) as (asked, pack),
        piped_git("unpack-objects", "-q", git_dir=hub.path) as (into, _),
    ):
        asked.write(f"{tree}\n^{before}\n".encode())
        asked.close()
        shutil.copyfileobj(pack, into, 1 << 20)
