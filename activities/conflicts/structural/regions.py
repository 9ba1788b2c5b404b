"""What git writes where lines do not merge (style `diff3`), read back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product


@dataclass
class ConflictRegion:
    """Lines of the three sides that stand for each other."""

    ours: list[str] = field(default_factory=list)
    base: list[str] = field(default_factory=list)
    theirs: list[str] = field(default_factory=list)


def places(marked: str) -> list[str | ConflictRegion] | None:
    """Text that merged and places that did not, in order; None where the markers cannot be told from the text."""
    found: list[str | ConflictRegion] = []
    text: list[str] = []
    place: ConflictRegion | None = None
    into = text
    for line in marked.splitlines(keepends=True):
        if line.startswith("<<<<<<< ") and place is None:
            found.append("".join(text))
            place, text = ConflictRegion(), []
            into = place.ours
        elif line.startswith("||||||| ") and place is not None and into is place.ours:
            into = place.base
        elif line.rstrip("\r\n") == "=======" and place is not None and into is place.base:
            into = place.theirs
        elif line.startswith(">>>>>>> ") and place is not None and into is place.theirs:
            found.append(place)
            place, into = None, text
        elif line.startswith(("<<<<<<< ", ">>>>>>> ", "||||||| ")) or (place and line.rstrip("\r\n") == "======="):
            return None
        else:
            into.append(line)
    if place is not None:
        return None
    found.append("".join(text))
    return found


def is_clean(marked: bytes) -> bool:
    """Whether a merged text has no place that did not merge."""
    return not any(line.startswith(b"<<<<<<< ") for line in marked.splitlines())


def assemblies(parts: Sequence[str | ConflictRegion], choices: Sequence[Sequence[str]]) -> Iterator[str]:
    """The texts in which each place is one of its choices, in their order."""
    for choice in product(*choices):
        settled = iter(choice)
        yield assembled([part if isinstance(part, str) else next(settled) for part in parts])


def assembled(parts: Sequence[str | ConflictRegion | None]) -> str:
    return "".join(part for part in parts if isinstance(part, str))
