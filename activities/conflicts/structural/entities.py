"""Source files: imports that both sides have added, and definitions that both have put in the same place.

What is made of them must parse, and hold every definition of either side once.
"""

from __future__ import annotations

import re
from collections import Counter

from activities.conflicts.semantic.grammar import Grammar, grammar_of
from activities.conflicts.semantic.symbols import Definition, symbols
from activities.conflicts.structural.places import ConflictRegion, assemblies

_IMPORT = {
    "python": re.compile(r"\s*(import\s+[\w.]+(\s+as\s+\w+)?|from\s+[\w.]+\s+import\s+[\w*, ]+)\s*(#.*)?$"),
    "javascript": re.compile(r"\s*import\s[^;]*;?\s*$"),
    "typescript": re.compile(r"\s*import\s[^;]*;?\s*$"),
    "tsx": re.compile(r"\s*import\s[^;]*;?\s*$"),
    "go": re.compile(r'\s*(import\s+)?(\w+\s+)?"[^"]+"\s*$'),
    "java": re.compile(r"\s*import\s+(static\s+)?[\w.*]+;\s*$"),
    "rust": re.compile(r"\s*(pub\s+)?use\s+[^;]+;\s*$"),
}
_BESIDE = re.compile(r"\s*(#|//|/\*|\*|@|$)")
_MAX_PLACES = 4


def merged(path: str, parts: list[str | ConflictRegion], base: str, ours: str, theirs: str) -> str | None:
    """The file with both sides; None where that cannot be proved."""
    grammar = grammar_of(path)
    disputed = [part for part in parts if isinstance(part, ConflictRegion)]
    if grammar is None or not disputed or len(disputed) > _MAX_PLACES:
        return None
    choices = []
    for place in disputed:
        found = _imports(place, grammar) or _definitions(place, path, ours, theirs)
        if not found:
            return None
        choices.append(found)
    return next((text for text in assemblies(parts, choices) if _holds_both(path, text, base, ours, theirs)), None)


def _imports(place: ConflictRegion, grammar: Grammar) -> list[str]:
    """The imports of both, less what either has taken out."""
    pattern = _IMPORT[grammar.name]
    if not all(pattern.match(line) for line in (*place.base, *place.ours, *place.theirs) if line.strip()):
        return []
    if place.base and grammar.name != "python":
        # A line that both have changed would name the same thing twice.
        return []
    removed = (set(place.base) - set(place.ours)) | (set(place.base) - set(place.theirs))
    if _bind_the_same(place, grammar):
        return []
    kept = [line for line in place.ours if line not in removed]
    added = [line for line in place.theirs if line not in kept and line not in removed]
    lines = [*kept, *added]
    ordered = [line for line in place.ours if line.strip()]
    if ordered == sorted(ordered) and "\n" not in lines:
        lines.sort()
    return ["".join(lines)]


def _bind_the_same(place: ConflictRegion, grammar: Grammar) -> bool:
    """Whether a name would mean one thing to one side and another to the other."""
    mine, yours = (
        {name: line for line in side if line not in place.base for name in _bound(line, grammar.name)}
        for side in (place.ours, place.theirs)
    )
    return any(mine[name].strip() != yours[name].strip() for name in mine.keys() & yours.keys())


def _bound(line: str, language: str) -> set[str]:
    """The names that an import makes known in its file; of `import a.b` in Python only what another may not take."""
    text = line.split("#")[0] if language == "python" else line.split("//")[0] if language != "go" else line
    if language == "go":
        alias = re.match(r'\s*(?:import\s+)?(\w+)?\s*"([^"]+)"', text)
        parts = [part for part in alias[2].split("/") if not re.fullmatch(r"v\d+", part)] if alias else []
        return {alias[1] or parts[-1]} - {"_"} if alias and parts else set()
    if language == "python" and not text.strip().startswith("from"):
        return {name for _, name in re.findall(r"([\w.]+)\s+as\s+(\w+)", text)}
    if language in ("java", "rust"):
        text = re.sub(r"[\w:.]*(::|\.)(?=\w+\s*(as\b|;|,|}))", " ", text)
    names = text.split(" import ", 1)[1] if language == "python" else re.split(r"\bfrom\b", text)[0]
    renamed = re.sub(r"(\w+|\*)\s+as\s+(\w+)", r"\2", names)
    return set(re.findall(r"[A-Za-z_$][\w$]*", renamed)) - {"import", "use", "pub", "static", "type", "self"}


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
    inside = [each for each in symbols(path, side.encode()).definitions if first <= each.line and each.end <= last]
    covered = {line for each in inside for line in range(each.line, each.end + 1)}
    lines = added.splitlines()
    return bool(inside) and all(first + n in covered or _BESIDE.match(line) for n, line in enumerate(lines))


def _holds_both(path: str, text: str, base: str, ours: str, theirs: str) -> bool:
    """It parses, and every definition that a side has is there as often as there, unless the other took it out."""
    result = symbols(path, text.encode())
    sides = [symbols(path, each.encode()) for each in (base, ours, theirs)]
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
