"""Source files, merged where both sides added imports, or definitions in one place.

The result must parse, and hold every definition of either side once.
"""

from __future__ import annotations

import re
from collections import Counter

from activities.conflicts.semantic.language import Language
from activities.conflicts.semantic.languages import language_of
from activities.conflicts.semantic.read_symbols import read_symbols
from activities.conflicts.semantic.symbols import Definition
from activities.conflicts.structural.node_merge import merge_nodes
from activities.conflicts.structural.regions import ConflictRegion, assemblies

_NO_CODE = re.compile(r"\s*(#|//|/\*|\*|@|$)")
_MAX_REGIONS = 4


def merged(path: str, parts: list[str | ConflictRegion], base: str, ours: str, theirs: str) -> str | None:
    """The file with the changes of both sides; None where that cannot be proved."""
    language = language_of(path)
    regions = [part for part in parts if isinstance(part, ConflictRegion)]
    if language is None or not regions or len(regions) > _MAX_REGIONS:
        return None
    choices = []
    for region in regions:
        found = _imports(region, language) or _definitions(region, path, ours, theirs)
        if not found:
            return _by_nodes(path, language, base, ours, theirs)
        choices.append(found)
    text = next((text for text in assemblies(parts, choices) if _holds_both(path, text, base, ours, theirs)), None)
    return text if text is not None else _by_nodes(path, language, base, ours, theirs)


def _by_nodes(path: str, language: Language, base: str, ours: str, theirs: str) -> str | None:
    merged = merge_nodes(language, *(each.encode() for each in (base, ours, theirs)))
    text = merged.decode() if merged is not None else None
    return text if text is not None and _holds_both(path, text, base, ours, theirs) else None


def _imports(region: ConflictRegion, language: Language) -> list[str]:
    """One choice, the imports of both sides without those that either removed; none where other lines conflict."""
    if not all(
        language.import_line.match(line) for line in (*region.base, *region.ours, *region.theirs) if line.strip()
    ):
        return []
    if region.base and not language.import_lines_may_change:
        # Where both changed one line, the merge would import the same names twice.
        return []
    removed = (set(region.base) - set(region.ours)) | (set(region.base) - set(region.theirs))
    if _import_one_name_twice(region, language):
        return []
    kept = [line for line in region.ours if line not in removed]
    added = [line for line in region.theirs if line not in kept and line not in removed]
    imports = [*kept, *added]
    ordered = [line for line in region.ours if line.strip()]
    if ordered == sorted(ordered) and "\n" not in imports:
        imports.sort()
    return ["".join(imports)]


def _import_one_name_twice(region: ConflictRegion, language: Language) -> bool:
    """Whether both sides add imports of one name by different lines."""
    mine, yours = (
        {name: line for line in side if line not in region.base for name in language.imported_names(line)}
        for side in (region.ours, region.theirs)
    )
    if any("*" in line for side in (region.ours, region.theirs) for line in side if line not in region.base):
        # Nobody knows which names it makes known.
        return True
    return any(mine[name].strip() != yours[name].strip() for name in mine.keys() & yours.keys())


def _definitions(region: ConflictRegion, path: str, ours: str, theirs: str) -> list[str]:
    """Choices of both additions, in either order; none where an addition is anything but whole definitions."""
    if region.base:
        return []
    for side, lines in ((ours, region.ours), (theirs, region.theirs)):
        if not _is_whole(path, side, "".join(lines)):
            return []
    one, other = "".join(region.ours), "".join(region.theirs)
    between = "" if one.endswith("\n\n") or other.startswith("\n") else "\n"
    back = "" if other.endswith("\n\n") or one.startswith("\n") else "\n"
    if len(region.ours) == len(region.theirs) == 1:
        return [one + other, other + one]
    return [one + between + other, other + back + one, one + other]


def _is_whole(path: str, side: str, added: str) -> bool:
    """Whether lines that a side added are definitions from the first line to the last."""
    at = side.find(added)
    if at < 0 or not added.strip() or side.count(added) > 1:
        return False
    first = side[:at].count("\n") + 1
    last = first + added.count("\n") - 1
    definitions = (each for each in read_symbols(path, side.encode()).definitions if each.kind != "constant")
    inside = [each for each in definitions if first <= each.line and each.end <= last]
    covered = {line for each in inside for line in range(each.line, each.end + 1)}
    lines = added.splitlines()
    return bool(inside) and all(first + n in covered or _NO_CODE.match(line) for n, line in enumerate(lines))


def _holds_both(path: str, text: str, base: str, ours: str, theirs: str) -> bool:
    """Whether a text parses and has each definition as often as the sides have it, less what one of them removed."""
    result = read_symbols(path, text.encode())
    sides = [read_symbols(path, each.encode()) for each in (base, ours, theirs)]
    if not result.parses or not all(side.parses for side in sides):
        return False
    before, mine, yours = (Counter(map(_key, side.definitions)) for side in sides)
    counts = Counter(map(_key, result.definitions))
    for key in {*before, *mine, *yours}:
        expected = mine[key] + yours[key] - before[key]
        if counts[key] != max(0, expected) or (key not in before and counts[key] > 1):
            return False
    return not set(counts) - {*mine, *yours}


def _key(definition: Definition) -> tuple[object, ...]:
    return definition.scope, definition.name, definition.kind
