"""Files that are there whole or not at all, and on the disk when a function returns."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL


def write_atomically(path: Path, content: bytes, *, survives_power_loss: bool = True, mode: int = 0o600) -> None:
    """Replace a file's content in one step; by `mode` only its owner may read it. Makes missing parent directories.

    `survives_power_loss` false: skip the sync for content that is of no use after the machine restarts.
    """
    temporary = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
    try:
        handle = os.open(temporary, _FLAGS, 0o600)
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(temporary, _FLAGS, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if mode != 0o600:
                os.fchmod(handle, mode)
            if survives_power_loss:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_once(path: Path, content: bytes) -> bytes:
    """Write a file unless it is there; returns what it holds now, which is the same for all who write it at once."""
    own = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
    write_atomically(own, content)
    try:
        with contextlib.suppress(FileExistsError):
            os.link(own, path)
    finally:
        own.unlink()
    return path.read_bytes()


def write_durably(path: Path, content: bytes) -> None:
    """As `write_atomically`, and the new name is on the disk too when this returns."""
    write_atomically(path, content)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Write a directory's names to the disk."""
    opened = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
