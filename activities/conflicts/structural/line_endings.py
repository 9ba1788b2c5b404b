"""Line ends: a side that has changed nothing else has changed no line."""

from __future__ import annotations

LF, CRLF = b"\n", b"\r\n"


def level(base: bytes, ours: bytes, theirs: bytes) -> tuple[bytes, bytes, bytes, bytes] | None:
    """The three with LF, and the line end that the merged file is to have: who changed it, meant it.

    Null where they have one kind, or one of them has both.
    """
    kinds = [_kind(each) for each in (base, ours, theirs)]
    if None in kinds or len({kind for kind in kinds if kind}) < 2:
        return None
    before, mine, yours = kinds
    end = mine if mine and mine != before else yours or mine or LF
    return base.replace(CRLF, LF), ours.replace(CRLF, LF), theirs.replace(CRLF, LF), end


def _kind(content: bytes) -> bytes | None:
    """Empty for what has no line; None for both kinds in one file."""
    whole, windows = content.count(LF), content.count(CRLF)
    if not whole:
        return b""
    return CRLF if windows == whole else LF if not windows else None
