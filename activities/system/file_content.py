"""Content of small files of the user's, which may be missing, unreadable, or larger than expected."""

from __future__ import annotations

from pathlib import Path

MAX_BYTES = 256 * 1024


def content(path: Path) -> bytes:
    """The first `MAX_BYTES` of a file; empty where it cannot be read, or is none."""
    try:
        with open(path, "rb") as file:
            return file.read(MAX_BYTES)
    except OSError:
        return b""
