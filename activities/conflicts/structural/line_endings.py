"""Line endings: a side that changed only these has changed no line."""

from __future__ import annotations

LF, CRLF = b"\n", b"\r\n"


def normalized(base: bytes, ours: bytes, theirs: bytes) -> tuple[bytes, bytes, bytes, bytes] | None:
    """The three versions with LF, and the line ending of the merge: the one that a side changed to.

    None where all have the same line ending, or one version mixes both.
    """
    kinds = [_kind(each) for each in (base, ours, theirs)]
    if None in kinds or len({kind for kind in kinds if kind}) < 2:
        return None
    before, mine, yours = kinds
    end = mine if mine and mine != before else yours or mine or LF
    return base.replace(CRLF, LF), ours.replace(CRLF, LF), theirs.replace(CRLF, LF), end


def _kind(content: bytes) -> bytes | None:
    """The line ending of a content; empty where it has no lines, None where it mixes both."""
    lines, windows = content.count(LF), content.count(CRLF)
    if not lines:
        return b""
    return CRLF if windows == lines else LF if not windows else None
