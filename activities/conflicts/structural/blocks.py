"""Text whose blocks are independent of each other: sections and items of Markdown, rules of CSS, targets of make.

Where both sides put whole blocks of different names in one place, both stay.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from activities.conflicts.structural.regions import ConflictRegion

_BULLET = re.compile(r"\s*(?:[-*+]\s|\|)")
_HEADING = re.compile(r"(#+)\s+(.*\S)")
_ELEMENT = re.compile(r"\s*<([\w-]+)\b[^>]*(?:/>|>.*</\1>)\s*")
_TARGET = re.compile(r"([\w./%$(){} -]+):(?!=)")
_WORDS = re.compile(r"(\s*\.PHONY\s*:)((?:\s+[\w.-]+)+)\s*")

Names = Callable[[Sequence[str]], list[str] | None]
"""Gives the names of the blocks in lines; None where they are not whole blocks."""


def resolver(name: str) -> Callable[[ConflictRegion], str | None] | None:
    """How the conflict regions of a file are resolved; None where its blocks are not known."""
    names = next((found for pattern, found in _KINDS if re.fullmatch(pattern, name.casefold())), None)
    return (lambda region: _joined(region, names)) if names is not None else None


def _joined(region: ConflictRegion, names: Names) -> str | None:
    if region.base:
        return _joined_words(region)
    mine, yours = names(region.ours), names(region.theirs)
    if not mine or not yours or {*mine} & {*yours} or len({*mine, *yours}) < len(mine) + len(yours):
        return None
    return "".join([*region.ours, *_apart(region.ours, region.theirs), *region.theirs])


def _apart(first: Sequence[str], second: Sequence[str]) -> list[str]:
    """A blank line between two blocks of several lines that have none there."""
    has_blank = not first[-1].strip() or not second[0].strip()
    return [] if has_blank or (len(first) == 1 and len(second) == 1) or _is_items(first) else ["\n"]


def _joined_words(region: ConflictRegion) -> str | None:
    """One line of words, of which both sides have added some at the end."""
    lines = [
        _WORDS.fullmatch(side[0]) if len(side) == 1 else None for side in (region.base, region.ours, region.theirs)
    ]
    found = [each for each in lines if each is not None]
    if len(found) < 3:
        return None
    before, mine, yours = (each[2].split() for each in found)
    if mine[: len(before)] != before or yours[: len(before)] != before:
        return None
    words = list(dict.fromkeys([*mine, *yours]))
    return f"{found[0][1]} {' '.join(words)}\n"


def _is_items(lines: Sequence[str]) -> bool:
    return all(_BULLET.match(line) or not line.strip() for line in lines)


def _markdown(lines: Sequence[str]) -> list[str] | None:
    if _is_items(lines):
        return [line.strip() for line in lines if line.strip()]
    first = next((line for line in lines if line.strip()), "")
    headings = [found for found in map(_HEADING.match, lines) if found is not None]
    if not headings or _HEADING.match(first) is None or any(line.startswith(("```", "~~~")) for line in lines):
        return None
    top = min(len(found[1]) for found in headings)
    # A section begins with its own heading, so that nothing of it ends up beneath another.
    return [found[2] for found in headings if len(found[1]) == top] if len(headings[0][1]) == top else None


def _css(lines: Sequence[str]) -> list[str] | None:
    names, depth, head = [], 0, ""
    for letter in re.sub(r"/\*.*?\*/", "", "".join(lines), flags=re.DOTALL):
        if letter == "{":
            if depth == 0:
                names += [" ".join(each.split()) for each in head.split(",")]
            depth, head = depth + 1, ""
        elif letter == "}":
            depth, head = depth - 1, ""
            if depth < 0:
                return None
        elif depth == 0:
            head += letter
    return names if depth == 0 and not head.strip() and all(names) else None


def _elements(lines: Sequence[str]) -> list[str] | None:
    named = [line for line in lines if line.strip()]
    return [line.strip() for line in named] if all(map(_ELEMENT.fullmatch, named)) else None


def _targets(lines: Sequence[str]) -> list[str] | None:
    named = [line for line in lines if line.strip() and not line.startswith(("\t", "#"))]
    found = [_TARGET.match(line) for line in named]
    is_whole = bool(lines) and not next((line for line in lines if line.strip()), "\t").startswith("\t")
    return [each[1].strip() for each in found if each] if is_whole and named and all(found) else None


_KINDS: tuple[tuple[str, Names], ...] = (
    (r".*\.(md|markdown)", _markdown),
    (r".*\.(css|scss|less)", _css),
    (r".*\.(html|htm|xml|svg|vue|svelte)", _elements),
    (r"(gnu)?makefile|.*\.mk", _targets),
)
