"""TOML and YAML files, merged where both sides added lines in one place.

The text is assembled from the lines of both sides, so that comments and style stay. It counts only if it reads as the
key-by-key merge of both documents.
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
_MAX_ASSEMBLIES = 8
_SUFFIXES = (".toml", ".yaml", ".yml")
# Which entries of a lock file fit together, only its tool knows.
_KEYS_OF_SETS = """
    allowed-hosts assignees authors branches branches-ignore cap-add cap-drop categories classifiers depends-on
    dependencies devices environment exclude expose extend-exclude extend-select extras features ignore keywords labels
    maintainers members namespaces needs networks packages paths paths-ignore platforms ports profiles requires
    reviewers scopes secrets select tags targets tmpfs topics types volumes
"""
_SETS = frozenset(_KEYS_OF_SETS.split())
_HOLD_SETS = frozenset({"matrix", "optional-dependencies", "dependency-groups"})
_LOCK_FILES = ("pnpm-lock.yaml",)


def is_config_file(name: str) -> bool:
    return name.endswith(_SUFFIXES) and name not in _LOCK_FILES


def merged(name: str, parts: list[str | ConflictRegion], base: str, ours: str, theirs: str) -> str | None:
    """The file with the changes of both sides; None where that cannot be proved."""
    if max(map(len, (base, ours, theirs))) > _MAX_CHARACTERS:
        return None
    read = tomllib.loads if name.endswith(".toml") else _read_yaml
    try:
        wanted = json_documents.merged_values(read(base), read(ours), read(theirs), _is_set)
    except ValueError:
        return None
    if wanted is json_documents.CLASH:
        return None
    choices = [_choices(part) for part in parts if isinstance(part, ConflictRegion)]
    texts = islice(assemblies(parts, choices), _MAX_ASSEMBLIES)
    return next((text for text in texts if _reads_as(text, wanted, read)), None)


def _is_set(keys: tuple[str, ...]) -> bool:
    """Whether a list is one whose order has no meaning: steps, commands and rules are taken one after the other."""
    return keys[-1:] != () and (keys[-1].casefold().replace("_", "-") in _SETS or not _HOLD_SETS.isdisjoint(keys[:-1]))


def _choices(region: ConflictRegion) -> list[str]:
    """Both additions, either side first, with common lines once or as often as they occur."""
    orders = (region, ConflictRegion(region.theirs, region.base, region.ours))
    found = [joined(each, once=once) for once in (False, True) for each in orders]
    return list(dict.fromkeys(text for text in found if text is not None))


def _reads_as(text: str, wanted: Any, read: Callable[[str], Any]) -> bool:
    try:
        return json_documents.same(read(text), wanted)
    except ValueError:
        return False


def _read_yaml(text: str) -> Any:
    # A few aliases can stand for gigabytes; and what a side adds to an anchor, it adds to every alias.
    if strict_yaml.has_aliases(text):
        raise ValueError("anchors")
    return strict_yaml.load(text)
