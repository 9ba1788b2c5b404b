"""Source files: imports that both sides have added, and definitions that both have put in the same place.

What is made of them must parse, and hold every definition of either side once.
"""

from __future__ import annotations

import re
from collections import Counter

from activities.conflicts.semantic.language import Language
from activities.conflicts.semantic.languages import language_of
from activities.conflicts.semantic.read_symbols import read_symbols
from activities.conflicts.semantic.symbols import Definition
from activities.conflicts.structural.regions import ConflictRegion, assemblies

_BESIDE = re.compile(r"\s*(#|//|/\*|\*|@|$)")
_MAX_PLACES = 4


def merged(path: str, parts: list[str | ConflictRegion], base: str, ours: str, theirs: str) -> str | None:
    """The file with both sides; None where that cannot be proved."""
    language = language_of(path)
    disputed = [part for part in parts if isinstance(part, ConflictRegion)]
    if language is None or not disputed or len(disputed) > _MAX_PLACES:
        return None
    choices = []
    for place in disputed:
        found = _imports(place, language) or _definitions(place, path, ours, theirs)
        if not found:
            return None
        choices.append(found)
    return next((text for text in assemblies(parts, choices) if _holds_both(path, text, base, ours, theirs)), None)


def _imports(place: ConflictRegion, language: Language) -> list[str]:
    """The imports of both, less what either has taken out."""
    if not all(language.import_line.match(line) for line in (*place.base, *place.ours, *place.theirs) if line.strip()):
        return []
    if place.base and not language.import_lines_may_change:
        # A line that both have changed would name the same thing twice.
        return []
    removed = (set(place.base) - set(place.ours)) | (set(place.base) - set(place.theirs))
    if _bind_the_same(place, language):
        return []
    kept = [line for line in place.ours if line not in removed]
    added = [line for line in place.theirs if line not in kept and line not in removed]
    lines = [*kept, *added]
    ordered = [line for line in place.ours if line.strip()]
    if ordered == sorted(ordered) and "\n" not in lines:
        lines.sort()
    return ["".join(lines)]


def _bind_the_same(place: ConflictRegion, language: Language) -> bool:
    """Whether a name would mean one thing to one side and another to the other."""
    mine, yours = (
        {name: line for line in side if line not in place.base for name in language.imported_names(line)}
        for side in (place.ours, place.theirs)
    )
    return any(mine[name].strip() != yours[name].strip() for name in mine.keys() & yours.keys())


def _definitions(place: ConflictRegion, path: str, ours: str, theirs: str) -> list[str]:
    """Both additions, in either order, where each is whole definitions and nothing else."""
    if place.base:
        return []
    for side, lines in ((ours, place.ours), (theirs, place.theirs)):
        if not _is_whole(path, side, "".join(lines)):
            return []
    one, other = "".join(place.ours), "".join(place.theirs)
    between = "" if one.endswith("\n\n") or other.startswith("\n") else "\n"
    back = "" if other.endswith("\n\n") or one.startswith("\n") else "\n"
    return [one + between + other, other + back + one, one + other]


def _is_whole(path: str, side: str, added: str) -> bool:
    """Whether lines that a side has put in are definitions from their first line to their last."""
    at = side.find(added)
    if at < 0 or not added.strip() or side.count(added) > 1:
        return False
    first = side[:at].count("\n") + 1
    last = first + added.count("\n") - 1
    inside = [each for each in read_symbols(path, side.encode()).definitions if first <= each.line and each.end <= last]
    covered = {line for each in inside for line in range(each.line, each.end + 1)}
    lines = added.splitlines()
    return bool(inside) and all(first + n in covered or _BESIDE.match(line) for n, line in enumerate(lines))


def _holds_both(path: str, text: str, base: str, ours: str, theirs: str) -> bool:
    """It parses, and every definition that a side has is there as often as there, unless the other took it out."""
    result = read_symbols(path, text.encode())
    sides = [read_symbols(path, each.encode()) for each in (base, ours, theirs)]
    if not result.parses or not all(side.parses for side in sides):
        return False
    before, mine, yours = (Counter(map(_key, side.definitions)) for side in sides)
    there = Counter(map(_key, result.definitions))
    for key in {*before, *mine, *yours}:
        expected = mine[key] + yours[key] - before[key]
        if there[key] != max(0, expected) or (key not in before and there[key] > 1):
            return False
    return not set(there) - {*mine, *yours}


def _key(definition: Definition) -> tuple[object, ...]:
    return definition.scope, definition.name, definition.kind
