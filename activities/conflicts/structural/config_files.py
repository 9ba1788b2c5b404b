"""TOML and YAML files: what both sides have added in one place, where the result says what both documents say.

The text is put together of both sides' lines, so comments and style stay; read as a document it must be the two,
merged by key.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from itertools import islice
from typing import Any

from activities.conflicts.structural import json_documents
from activities.conflicts.structural.lists import joined
from activities.conflicts.structural.regions import ConflictRegion, assemblies
from epw.core import strict_yaml

_MAX_CHARACTERS = 50_000
_MAX_CHOICES = 8
_ENDS = (".toml", ".yaml", ".yml")
# Of lock files only their tool knows what fits together.
_LOCKS = ("pnpm-lock.yaml",)


def is_manifest(name: str) -> bool:
    return name.endswith(_ENDS) and name not in _LOCKS


def merged(name: str, parts: list[str | ConflictRegion], base: str, ours: str, theirs: str) -> str | None:
    """The file with what both sides did; None where that cannot be proved."""
    if max(map(len, (base, ours, theirs))) > _MAX_CHARACTERS:
        return None
    read = tomllib.loads if name.endswith(".toml") else _read_yaml
    try:
        wanted = json_documents.merged_values(read(base), read(ours), read(theirs))
        if wanted is json_documents.CLASH:
            return None
        texts = islice(
            assemblies(parts, [_choices(part) for part in parts if isinstance(part, ConflictRegion)]), _MAX_CHOICES
        )
        return next((text for text in texts if _says(text, wanted, read)), None)
    except ValueError:
        return None


def _choices(place: ConflictRegion) -> list[str]:
    """Either side first; with lines that are in both once, or as often as they are there."""
    orders = (place, ConflictRegion(place.theirs, place.base, place.ours))
    found = [joined(each, once=once) for once in (False, True) for each in orders]
    return list(dict.fromkeys(text for text in found if text is not None))


def _says(text: str, wanted: Any, read: Callable[[str], Any]) -> bool:
    try:
        return json_documents.same(read(text), wanted)
    except ValueError:
        return False


def _read_yaml(text: str) -> Any:
    # A few aliases can stand for gigabytes; and what a side adds to an anchor, it adds to every alias.
    if strict_yaml.has_aliases(text):
        raise ValueError("anchors")
    return strict_yaml.load(text)
