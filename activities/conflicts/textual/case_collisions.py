"""Paths that differ only in case, or in the Unicode form of an accent: many file systems take them for one file."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from activities.git.hub import Hub

_MAX_FOLDERS = 500


def case_collisions(hub: Hub, tree: str, changed: Iterable[str], before: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of paths in a tree that collide, one of them changed; without the pairs that a tree of `before` has."""
    found = dict.fromkeys(_pairs(hub, tree, changed))
    return [pair for pair in found if not any(_has_both(hub, each, pair) for each in before)]


def _pairs(hub: Hub, tree: str, changed: Iterable[str]) -> Iterator[tuple[str, str]]:
    wanted: dict[str, set[str]] = {}
    for path in changed:
        while path:
            folder, name = os.path.split(path)
            wanted.setdefault(folder, set()).add(name)
            path = folder
    named = _names_in(hub, tree, list(wanted))
    for folder, names in sorted(wanted.items()):
        by_form: dict[str, list[str]] = {}
        for name in named.get(folder, []):
            by_form.setdefault(_form(name), []).append(name)
        for name in sorted(names.intersection(named.get(folder, []))):
            for other in by_form.get(_form(name), []):
                if other != name:
                    one, two = sorted((name, other))
                    yield os.path.join(folder, one), os.path.join(folder, two)


def _names_in(hub: Hub, tree: str, folders: list[str]) -> dict[str, list[str]]:
    """Names in folders of a tree, by folder."""
    found: dict[str, list[str]] = {}
    for start in range(0, len(folders), _MAX_FOLDERS):
        asked = [f"{folder}/" for folder in folders[start : start + _MAX_FOLDERS] if folder]
        for path in [*(hub.names(tree, asked) if asked else ()), *(hub.names(tree) if start == 0 else ())]:
            folder, name = os.path.split(path)
            found.setdefault(folder, []).append(name)
    return found


def _form(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _has_both(hub: Hub, tree: str, pair: tuple[str, str]) -> bool:
    return len(hub.names(tree, pair)) == 2
