"""Glob patterns of paths: whether one matches a path, and whether two can match the same path.

`*` and `?` stay within a path segment, `**` spans any number of segments, `[...]` is one character.
A pattern whose last segment has no wildcard also covers what is below it (`src` = `src/**`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

_ANY_CHARACTER = "[any]"
_WILDCARD = re.compile(r"[*?\[]")


def normalise(pattern: str) -> tuple[str, ...]:
    """The pattern's segments, without `.` and empty ones: `./src//a.py` → ("src", "a.py")."""
    return tuple(part for part in pattern.split("/") if part not in ("", "."))


def literal(path: str) -> str:
    """The pattern that covers exactly this path and what is below it."""
    return _WILDCARD.sub(lambda found: f"[{found[0]}]", path)


def literal_prefix(pattern: str) -> tuple[str, ...]:
    """The segments before the first one with a wildcard."""
    parts = normalise(pattern)
    wild = (index for index, part in enumerate(parts) if _WILDCARD.search(part))
    return parts[: next(wild, len(parts))]


def has_wildcard(pattern: str) -> bool:
    """Whether the pattern is more than one path and what is below it."""
    return _WILDCARD.search(pattern) is not None


def literal_beginning(pattern: str) -> str:
    """What every path that the pattern covers begins with, a `/` set after the path: `src/a*` → "src/a", `b` → "b/"."""
    path = "/".join(normalise(pattern))
    wild = _WILDCARD.search(path)
    return path[: wild.start()] if wild else path and f"{path}/"


def matches(pattern: str, path: str) -> bool:
    """Whether the pattern covers the path, whose characters are all literal."""
    return _meet(_covering(normalise(pattern)), normalise(literal(path)), "**", _segments_meet)


@lru_cache(maxsize=65536)
def may_overlap(left: str, right: str) -> bool:
    """Whether some path is covered by both; can be wrongly true where both have `[...]` classes."""
    return _meet(_covering(normalise(left)), _covering(normalise(right)), "**", _segments_meet)


def _covering(parts: tuple[str, ...]) -> tuple[str, ...]:
    return parts if parts and _WILDCARD.search(parts[-1]) else (*parts, "**")


def _segments_meet(left: str, right: str) -> bool:
    return left == right or _meet(_tokens(left), _tokens(right), "*", _characters_meet)


def _characters_meet(left: str, right: str) -> bool:
    return left == right or _ANY_CHARACTER in (left, right)


def _meet(a: Sequence[str], b: Sequence[str], many: str, same: Callable[[str, str], bool]) -> bool:
    """Whether two sequences have a common instance, where `many` stands for any run of elements.

    Searches the pairs of positions, as in the product of two automata.
    """
    seen = {(0, 0)}
    frontier = [(0, 0)]
    while frontier:
        i, j = frontier.pop()
        if i == len(a) and j == len(b):
            return True
        steps = []
        if i < len(a) and a[i] == many:
            steps += [(i + 1, j)] + ([(i, j + 1)] if j < len(b) else [])
        if j < len(b) and b[j] == many:
            steps += [(i, j + 1)] + ([(i + 1, j)] if i < len(a) else [])
        if i < len(a) and j < len(b) and many not in (a[i], b[j]) and same(a[i], b[j]):
            steps.append((i + 1, j + 1))
        for step in steps:
            if step not in seen:
                seen.add(step)
                frontier.append(step)
    return False


def _tokens(segment: str) -> list[str]:
    """The segment's characters, `*` for a run; `[x]` is the literal x, even if x is a wildcard."""
    tokens = []
    for part in re.findall(r"\[[^\]]+\]|.", segment, re.DOTALL):
        if part == "?" or len(part) > 3:
            tokens.append(_ANY_CHARACTER)
        elif len(part) == 3:
            tokens.append("[*]" if part[1] == "*" else part[1])
        else:
            tokens.append(part)
    return tokens
