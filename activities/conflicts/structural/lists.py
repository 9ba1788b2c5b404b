"""Files in which every line stands for itself, and changelogs: what both sides have added stays."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from activities.conflicts.structural.regions import ConflictRegion

Settle = Callable[[ConflictRegion], str | None]

_SETS = frozenset({".gitignore", ".dockerignore", ".npmignore", ".prettierignore", ".eslintignore", "go.sum"})
_LOGS = frozenset({"changelog", "changes", "history", "news"})
_LOG_ENDS = ("", ".md", ".rst", ".txt")
_REQUIREMENTS = re.compile(r"(requirements|constraints)([-_.]\w+)*\.(txt|in)")
_PACKAGES = re.compile(r"\s*([A-Za-z0-9][\w.-]*)")
# To pip they are one.
_SAME = re.compile(r"[-_.]+")
_RECORDS = (".csv", ".tsv", ".jsonl", ".ndjson", ".properties", ".lst")
_MARKDOWN = (".md", ".markdown")
_ITEM = re.compile(r"\s*(?:[-*+]|\d+[.)])\s|\s*\|")
"""An item of a list, a row of a table."""
_MODULES = re.compile(r"\s*(?:require\s+)?(\S+)\s+v\d")


def is_list(name: str) -> bool:
    """Whether what both sides add to such a file can be joined."""
    return name.casefold() in _SETS or name == "go.mod" or _is_requirements(name) or _is_log(name)


def settling(name: str) -> Settle:
    """How both sides' additions to such a file are joined."""
    if _is_log(name):
        return _logged
    if name == "go.mod":
        return _modules
    if _is_requirements(name):
        return partial(_versions, _PACKAGES)
    return _patterns if name.endswith("ignore") else joined


def has_records(name: str) -> bool:
    """Whether lines of such a file may stand for themselves."""
    return is_list(name) or name.casefold().endswith((*_RECORDS, *_MARKDOWN))


def line_by_line(name: str, place: ConflictRegion) -> str | None:
    """Each line as the side has it that changed it; None where both did, or where lines came, went or moved."""
    sides = (place.base, place.ours, place.theirs)
    if len({len(side) for side in sides}) > 1 or not place.base:
        return None
    if name.casefold().endswith(_MARKDOWN) and not all(_ITEM.match(line) for side in sides for line in side):
        return None
    chosen = []
    for base, ours, theirs in zip(*sides, strict=True):
        if ours != base and theirs not in (base, ours):
            return None
        if any(line != base and line in place.base for line in (ours, theirs)):
            return None
        chosen.append(theirs if ours == base else ours)
    return "".join(chosen)


def _is_log(name: str) -> bool:
    stem, dot, suffix = name.casefold().partition(".")
    return stem in _LOGS and dot + suffix in _LOG_ENDS


def _is_requirements(name: str) -> bool:
    return _REQUIREMENTS.fullmatch(name.casefold()) is not None


def _versions(names: re.Pattern[str], place: ConflictRegion) -> str | None:
    """One version of a package only."""
    mine, yours = (
        {
            _SAME.sub("-", found[1].lower()): line
            for line in side
            if line not in place.base and (found := names.match(line))
        }
        for side in (place.ours, place.theirs)
    )
    clash = any(mine[name] != yours[name] for name in mine if name in yours)
    return None if clash else joined(place)


def _logged(place: ConflictRegion) -> str | None:
    """Both entries, each whole; two under one heading would be one section twice."""
    first, other = (next((line for line in side if line.strip()), "") for side in (place.ours, place.theirs))
    is_one = first == other and first.startswith("#") and first not in place.base
    return None if is_one else joined(place, once=False)


def _patterns(place: ConflictRegion) -> str | None:
    """Not a pattern and its opposite: the last one holds."""
    mine, yours = ({line.strip() for line in side} - {""} for side in (place.ours, place.theirs))
    opposite = any(f"!{one}" in others for one, others in [*((e, yours) for e in mine), *((e, mine) for e in yours)])
    return None if opposite else joined(place)


def _modules(place: ConflictRegion) -> str | None:
    """Only what is required: `module`, `go` and `replace` stand once."""
    lines = [line for line in (*place.base, *place.ours, *place.theirs) if line.strip()]
    return _versions(_MODULES, place) if all(map(_MODULES.match, lines)) else None


def joined(place: ConflictRegion, *, once: bool = True) -> str | None:
    """Both additions, ours first, and what stood there where both left it; None where a side took something away.

    `once`: a line that both have added stands once.
    """
    mine, yours = _around(place.base, place.ours), _around(place.base, place.theirs)
    if mine is None or yours is None:
        return None
    before, after = (
        [*own, *(line for line in other if not once or line not in own)] for own, other in zip(mine, yours, strict=True)
    )
    return "".join(_ended([*before, *place.base, *after]))


def _around(base: list[str], side: list[str]) -> tuple[list[str], list[str]] | None:
    """What a side has put before and after; None where it did not leave the rest as it was."""
    if not base:
        return [], side
    for start in range(len(side) - len(base) + 1):
        if side[start : start + len(base)] == base:
            return side[:start], side[start + len(base) :]
    return None


def _ended(lines: list[str]) -> list[str]:
    """Every line but the last with its end."""
    return [line if line.endswith("\n") or line is lines[-1] else f"{line}\n" for line in lines]
