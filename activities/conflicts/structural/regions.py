"""Conflict regions of a file that git merged with markers of the style `diff3`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product

_OURS, _BASE, _THEIRS, _END = range(4)
_MARKERS = {"<<<<<<< ": _OURS, "||||||| ": _BASE, ">>>>>>> ": _END}
_SEPARATOR = "======="


@dataclass
class ConflictRegion:
    """Lines of the three sides that stand for each other, each with its line end."""

    ours: list[str] = field(default_factory=list)
    base: list[str] = field(default_factory=list)
    theirs: list[str] = field(default_factory=list)


def parse_regions(marked: str) -> list[str | ConflictRegion] | None:
    """Merged text and conflict regions in order; None where the text itself has lines like markers."""
    parts: list[str | ConflictRegion] = []
    text: list[str] = []
    region, lines, expected = ConflictRegion(), text, _OURS
    for line in marked.splitlines(keepends=True):
        marker = _marker(line)
        if marker is None or (marker == _THEIRS and expected == _OURS):
            # Outside of a region, a row of `=` underlines a heading.
            lines.append(line)
            continue
        if marker != expected:
            return None
        if marker == _OURS:
            parts.append("".join(text))
            region = ConflictRegion()
        elif marker == _END:
            parts.append(region)
            text = []
        lines = (region.ours, region.base, region.theirs, text)[marker]
        expected = (marker + 1) % (_END + 1)
    if expected != _OURS:
        return None
    parts.append("".join(text))
    return parts


def _marker(line: str) -> int | None:
    if line.rstrip("\r\n") == _SEPARATOR:
        return _THEIRS
    return _MARKERS.get(line[:8])


def is_clean(marked: bytes) -> bool:
    """Whether a merged text has no conflict region."""
    return not any(line.startswith(b"<<<<<<< ") for line in marked.splitlines())


def assemblies(parts: Sequence[str | ConflictRegion], choices: Sequence[Sequence[str]]) -> Iterator[str]:
    """All texts in which each region is replaced by one of its choices, the first choices first."""
    for choice in product(*choices):
        resolved = iter(choice)
        yield "".join(part if isinstance(part, str) else next(resolved) for part in parts)
