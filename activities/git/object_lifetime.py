"""Lifetime of a hub's objects: none is deleted that somebody is about to name by a ref.

git cannot know that: a fetch takes what is here already for received, and a write of what is here already stores
nothing. Whoever makes refs to objects therefore holds the hub's lock of use, which many share, from the first look at
them until the ref is there; a collection holds it alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from activities.git.command import git
from activities.system.file_lock import FileLock

PATIENCE_SECONDS = 60.0
_LOCK = "epw-use.lock"
_PAUSE_SECONDS = 0.05


@contextmanager
def in_use(hub: Path) -> Iterator[int]:
    """Keep collections out while the block runs; waits for one that is under way.

    Yields a descriptor: a process that inherits it keeps them out too, even where it outlives its parent.
    """
    with FileLock.opened(hub / _LOCK) as lock:
        lock.acquire(shared=True)
        yield lock.descriptor


def collect(hub: Path, before: Callable[[], int], patience_seconds: float = PATIENCE_SECONDS) -> bool:
    """Delete objects that no ref reaches and that were written earlier than `before` says, in epoch seconds.

    It is asked once nobody else can make refs. Returns whether it was done: not where the hub was in use for longer
    than patience lasts. Raises `GitError` where a ref leads to a missing object.
    """
    with FileLock.opened(hub / _LOCK) as lock:
        until = time.monotonic() + patience_seconds
        while not lock.try_acquire():
            if time.monotonic() > until:
                return False
            time.sleep(_PAUSE_SECONDS)
        expire, holds = f"@{before()} +0000", (lock.descriptor,)
        git("repack", "-A", "-d", "-q", f"--unpack-unreachable={expire}", git_dir=hub, holds=holds)
        git("prune", f"--expire={expire}", git_dir=hub, holds=holds)
        git("pack-refs", "--all", git_dir=hub, holds=holds)
    return True
