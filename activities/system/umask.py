"""The user's umask, for what agents and git create, and the private one of this application."""

from __future__ import annotations

import os


def _read() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


UMASK = _read()
"""The user's own. Read at import, before there are threads: reading the umask changes it for a moment."""


def use_private_umask() -> None:
    """Keep what this process writes into the state directory private to its owner."""
    os.umask(0o077)
