"""Modes of new files: the user's umask as it was when this process started, and files for their owner alone."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_PRIVATE_UMASK = 0o077


@cache
def user_umask() -> int:
    """The umask that this process was started with, for agents, for git and for what the user receives."""
    with contextlib.suppress(OSError):
        # Linux: read without being set, since other threads may be creating files.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextlib.contextmanager
def user_modes() -> Iterator[None]:
    """Give what the block creates the modes that the user has asked for: files that are theirs."""
    before = os.umask(user_umask())
    try:
        yield
    finally:
        os.umask(before)


def restrict_umask() -> None:
    """Make what this process creates readable by its owner alone; `user_umask` still returns the original one.

    An entry point calls it once, before it starts any thread.
    """
    user_umask()
    os.umask(_PRIVATE_UMASK)


def owner_only(path: str, flags: int) -> int:
    """Opener (see `open`) of files that only their owner may read."""
    return os.open(path, flags, 0o600)
