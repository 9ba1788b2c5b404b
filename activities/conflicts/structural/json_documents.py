"""JSON documents, manifests and lock files among them: merged by key, and written as they were."""

from __future__ import annotations

import json
import re
from typing import Any

_GONE = object()
_INDENT = re.compile(r"^([ \t]+)\S", re.MULTILINE)


def is_document(name: str) -> bool:
    return name.endswith((".json", ".webmanifest")) or name == "composer.lock"


def merged(base: str, ours: str, theirs: str) -> str | None:
    """The document with what both sides did; None where both changed one value, or it is not written as we would."""
    try:
        sides = [_read(text) for text in (base, ours, theirs)]
    except (ValueError, RecursionError):
        return None
    result = merged_values(*sides)
    # Written by us as by them, to the last digit: then nothing of it changes unseen.
    if result is CLASH or _written(sides[1], ours) != ours or _written(sides[2], theirs) != theirs:
        return None
    return _written(result, ours)


def _written(value: Any, as_in: str) -> str:
    """A document in the style of another."""
    found = _INDENT.search(as_in)
    ending = "\n" if as_in.endswith("\n") else ""
    return json.dumps(value, indent=found[1] if found else None, ensure_ascii=False, allow_nan=False) + ending


CLASH = object()
"""Both sides have changed one value."""


def _read(text: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a key stands twice")
        return dict(pairs)

    return json.loads(text, object_pairs_hook=once)


def merged_values(base: Any, ours: Any, theirs: Any) -> Any:
    """What both sides have made of a value; `CLASH` where they cannot both have it."""
    if same(ours, theirs) or same(base, theirs):
        return ours
    if same(base, ours):
        return theirs
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return _merge_objects(base if isinstance(base, dict) else {}, ours, theirs)
    if isinstance(base, list) and isinstance(ours, list) and isinstance(theirs, list):
        return _merge_lists(base, ours, theirs)
    return CLASH


def _merge_objects(base: dict[str, Any], ours: dict[str, Any], theirs: dict[str, Any]) -> Any:
    result = {}
    for key in _ordered(list(ours), list(theirs)):
        value = merged_values(base.get(key, _GONE), ours.get(key, _GONE), theirs.get(key, _GONE))
        if value is CLASH:
            return CLASH
        if value is not _GONE:
            result[key] = value
    return result


def _merge_lists(base: list[Any], ours: list[Any], theirs: list[Any]) -> Any:
    """Both have only added, at the end."""
    if not same(ours[: len(base)], base) or not same(theirs[: len(base)], base):
        return CLASH
    # By how it is written: `1`, `1.0` and `true` are equal, and not the same.
    mine = set(map(repr, ours[len(base) :]))
    return [*ours, *(each for each in theirs[len(base) :] if repr(each) not in mine)]


def _ordered(ours: list[str], theirs: list[str]) -> list[str]:
    """Our order, theirs in its place: where ours is sorted, the whole is."""
    known = set(ours)
    new = [key for key in theirs if key not in known]
    if all(isinstance(key, str) for key in (*ours, *new)) and ours == sorted(ours):
        return sorted([*ours, *new])
    return [*ours, *new]


def same(one: Any, other: Any) -> bool:
    """Equal, also in kind: `1` is not `true`, nor `1.0`. The order of keys says nothing."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one is other or bool(one == other)
