"""Files that merge by what they are where their lines do not."""

from __future__ import annotations


def merged_by_structure(path: str, base: bytes, ours: bytes, theirs: bytes) -> bytes | None:
    """The file with what both sides did to it; null where that cannot be shown to be so."""
    return None
