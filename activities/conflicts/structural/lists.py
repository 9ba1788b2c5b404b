"""Files whose lines are independent of each other, and changelogs: the additions of both sides stay."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from activities.conflicts.structural.regions import ConflictRegion

Resolve = Callable[[ConflictRegion], str | None]
"""Text in place of a conflict region; None where it stays a conflict."""

_SETS = frozenset({".gitignore", ".dockerignore", ".npmignore", ".prettierignore", ".eslintignore", "go.sum"})
_LOGS = frozenset({"changelog", "changes", "history", "news"})
_LOG_SUFFIXES = ("", ".md", ".rst", ".txt")
_REQUIREMENTS_FILE = re.compile(r"(requirements|constraints)([-_.]\w+)*\.(txt|in)")
_PACKAGE = re.compile(r"\s*([A-Za-z0-9][\w.-]*)")
# pip takes these for the same in a package's name.
_NAME_SEPARATORS = re.compile(r"[-_.]+")
_RECORD_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".properties", ".lst")
_MARKDOWN = (".md", ".markdown")
_ITEM = re.compile(r"\s*(?:[-*+]|\d+[.)])\s|\s*\|")
"""An item of a list, or a row of a table."""
_GO_MODULE = re.compile(r"\s*(?:require\s+)?(\S+)\s+v\d")


def has_records(name: str) -> bool:
    """Whether the lines of a file can be independent of each other."""
    return _is_list(name) or name.casefold().endswith((*_RECORD_SUFFIXES, *_MARKDOWN))


def resolver(name: str) -> Resolve:
    """How conflict regions of such a file are resolved: line by line, or by joining the additions."""
    join = _joiner(name) if _is_list(name) else None
    return lambda region: _line_by_line(name, region) or (join(region) if join else None)


def _is_list(name: str) -> bool:
    return name.casefold() in _SETS or name == "go.mod" or _is_requirements(name) or _is_log(name)


def _joiner(name: str) -> Resolve:
    if _is_log(name):
        return _join_entries
    if name == "go.mod":
        return _join_go_modules
    if _is_requirements(name):
        return partial(_join_versions, _PACKAGE)
    return _join_patterns if name.endswith("ignore") else joined


def _line_by_line(name: str, region: ConflictRegion) -> str | None:
    """Each line from the side that changed it; None where both did, or where lines came, went or moved."""
    sides = (region.base, region.ours, region.theirs)
    if len({len(side) for side in sides}) > 1 or not region.base:
        return None
    if name.casefold().endswith(_MARKDOWN) and not all(_ITEM.match(line) for side in sides for line in side):
        return None
    chosen = []
    for base, ours, theirs in zip(*sides, strict=True):
        if ours != base and theirs not in (base, ours):
            return None
        if any(line != base and line in region.base for line in (ours, theirs)):
            return None
        chosen.append(theirs if ours == base else ours)
    return "".join(chosen)


def _is_log(name: str) -> bool:
    stem, dot, suffix = name.casefold().partition(".")
    return stem in _LOGS and dot + suffix in _LOG_SUFFIXES


def _is_requirements(name: str) -> bool:
    return _REQUIREMENTS_FILE.fullmatch(name.casefold()) is not None


def _join_versions(package: re.Pattern[str], region: ConflictRegion) -> str | None:
    """Both additions; None where they name different versions of one package."""
    mine, yours = (
        {
            _NAME_SEPARATORS.sub("-", found[1].lower()): line
            for line in side
            if line not in region.base and (found := package.match(line))
        }
        for side in (region.ours, region.theirs)
    )
    clash = any(mine[name] != yours[name] for name in mine if name in yours)
    return None if clash else joined(region)


def _join_entries(region: ConflictRegion) -> str | None:
    """Both entries of a changelog, each whole; None where both add to one new heading, which would stand twice."""
    first, other = (next((line for line in side if line.strip()), "") for side in (region.ours, region.theirs))
    is_one_section = first == other and first.startswith("#") and first not in region.base
    return None if is_one_section else joined(region, once=False)


def _join_patterns(region: ConflictRegion) -> str | None:
    """Both additions; None where one of them takes something out again: the last pattern that fits a path wins."""
    base = {line.strip() for line in region.base}
    mine, yours = (
        {text for line in side if (text := line.strip()) and not text.startswith("#")} - base
        for side in (region.ours, region.theirs)
    )
    negations = [{each.startswith("!") for each in added} for added in (mine - yours, yours - mine)]
    return None if all(negations) and len(negations[0] | negations[1]) > 1 else joined(region)


def _join_go_modules(region: ConflictRegion) -> str | None:
    """Both additions of requirements; None where a line is anything else, such as `go` or `replace`."""
    lines = [line for line in (*region.base, *region.ours, *region.theirs) if line.strip()]
    return _join_versions(_GO_MODULE, region) if all(map(_GO_MODULE.match, lines)) else None


def joined(region: ConflictRegion, *, once: bool = True) -> str | None:
    """Both additions, ours first, around the base's lines; None where a side removed or changed one of these.

    `once`: a line that both sides added is kept once.
    """
    mine, yours = _around(region.base, region.ours), _around(region.base, region.theirs)
    if mine is None or yours is None:
        return None
    before, after = (
        [*own, *(line for line in other if not once or line not in own)] for own, other in zip(mine, yours, strict=True)
    )
    return "".join(_terminated([*before, *region.base, *after]))


def _around(base: list[str], side: list[str]) -> tuple[list[str], list[str]] | None:
    """Lines that a side added before and after the base's; None where it changed these."""
    if not base:
        return [], side
    for start in range(len(side) - len(base) + 1):
        if side[start : start + len(base)] == base:
            return side[:start], side[start + len(base) :]
    return None


def _terminated(lines: list[str]) -> list[str]:
    """The lines, each but the last with a line ending."""
    return [line if line.endswith("\n") or line is lines[-1] else f"{line}\n" for line in lines]
