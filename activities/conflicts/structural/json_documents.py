"""JSON documents, merged key by key and written in the style of the original."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

_ABSENT = object()
_INDENT = re.compile(r"^([ \t]+)\S", re.MULTILINE)
Keys = tuple[str, ...]
CLASH = object()
"""Result where both sides have changed one value."""


def is_document(name: str) -> bool:
    return name.endswith((".json", ".webmanifest")) or name == "composer.lock"


def merged(base: str, ours: str, theirs: str) -> str | None:
    """The document with the changes of both sides; None where both changed one value.

    Also None where a side, read and written again, is not what it was: then more than the conflict would change.
    """
    try:
        sides = [_read(text) for text in (base, ours, theirs)]
    except (ValueError, RecursionError):
        return None
    result = merged_values(*sides)
    if result is CLASH or _written(sides[1], ours) != ours or _written(sides[2], theirs) != theirs:
        return None
    return _written(result, ours)


def _written(value: Any, style: str) -> str:
    """A document with the indentation and the last line ending of the text `style`."""
    found = _INDENT.search(style)
    ending = "\n" if style.endswith("\n") else ""
    return json.dumps(value, indent=found[1] if found else None, ensure_ascii=False, allow_nan=False) + ending


def _read(text: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("duplicate key")
        return dict(pairs)

    return json.loads(text, object_pairs_hook=unique)


def merged_values(
    base: Any, ours: Any, theirs: Any, is_set: Callable[[Keys], bool] = lambda keys: True, keys: Keys = ()
) -> Any:
    """Three-way merge of a value; `CLASH` where both sides have changed it differently.

    `is_set`: whether the order of a list has no meaning, from the keys that lead to it (`keys`: to this value).
    """
    if same(ours, theirs) or same(base, theirs):
        return ours
    if same(base, ours):
        return theirs
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return _merge_objects(base if isinstance(base, dict) else {}, ours, theirs, is_set, keys)
    if isinstance(base, list) and isinstance(ours, list) and isinstance(theirs, list) and is_set(keys):
        return _merge_lists(base, ours, theirs)
    return CLASH


def _merge_objects(
    base: dict[str, Any], ours: dict[str, Any], theirs: dict[str, Any], is_set: Callable[[Keys], bool], keys: Keys
) -> Any:
    result = {}
    for key in _ordered(list(ours), list(theirs)):
        before, mine, yours = (side.get(key, _ABSENT) for side in (base, ours, theirs))
        value = merged_values(before, mine, yours, is_set, (*keys, str(key)))
        if value is CLASH:
            return CLASH
        if value is not _ABSENT:
            result[key] = value
    return result


def _merge_lists(base: list[Any], ours: list[Any], theirs: list[Any]) -> Any:
    """The list with what both sides appended, ours first; `CLASH` where one did anything else."""
    if not same(ours[: len(base)], base) or not same(theirs[: len(base)], base):
        return CLASH
    # Compared as written: `1`, `1.0` and `true` are equal in Python, and different in JSON.
    mine = set(map(repr, ours[len(base) :]))
    if any(str(each).startswith("!") for each in (*ours[len(base) :], *theirs[len(base) :])):
        # Of patterns, the last one that fits wins.
        return CLASH
    return [*ours, *(each for each in theirs[len(base) :] if repr(each) not in mine)]


def _ordered(ours: list[str], theirs: list[str]) -> list[str]:
    """Our keys in their order, then the new keys of the other side; all sorted where ours are."""
    known = set(ours)
    new = [key for key in theirs if key not in known]
    if all(isinstance(key, str) for key in (*ours, *new)) and ours == sorted(ours):
        return sorted([*ours, *new])
    return [*ours, *new]


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal and of one type: `1` is neither `true` nor `1.0`. The order of keys is ignored."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one is other or bool(one == other)
