"""The check of two sides in the hub: only changed files are read, and those in which a name is looked for.

What a version of a file defines and uses is kept by its blob: the head of an execution changes in few files at a time.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache, partial

from activities.conflicts.semantic.check import check
from activities.conflicts.semantic.languages import BY_SUFFIX, language_of
from activities.conflicts.semantic.read_symbols import read_symbols
from activities.conflicts.semantic.sides import Finding
from activities.conflicts.semantic.symbols import NOTHING, Symbols
from activities.git.changes import Blobs, changed_blobs, paths_in
from activities.git.hub import Hub

_MAX_CHANGED = 500
_MAX_ELSEWHERE = 200
# Definitions and uses, of some 250 bytes each.
_MAX_KEPT = 250_000


def warm_symbol_cache(hub: Hub, base: str, commit: str) -> None:
    """Read what a change will be judged by, beside the others, so that its landing, one after the other, need not."""
    changed = _understood(*changed_blobs(hub, base, commit))
    if len(changed) <= _MAX_CHANGED:
        _KNOWN.of(hub, [{path: blobs[side] for path, blobs in changed.items()} for side in (0, 1)])


def semantic_conflicts(hub: Hub, base: str, ours: str, theirs: str, merged: str) -> list[Finding]:
    """What does not fit together of two commits that were merged into a tree; nothing where too much was changed."""
    return semantic_conflicts_of(hub, base, changed_blobs(hub, base, ours, theirs), merged)


def semantic_conflicts_of(hub: Hub, base: str, changed: Sequence[Blobs], merged: str) -> list[Finding]:
    """As `semantic_conflicts`, of what the two commits have changed."""
    mine, yours = map(_understood, changed)
    if not mine or not yours or len(mine) + len(yours) > _MAX_CHANGED:
        return []
    before = {path: old for side in (mine, yours) for path, (old, _) in side.items()}
    sides = [{path: new for path, (_, new) in side.items()} for side in (mine, yours)]
    whole = {**sides[0], **sides[1]}
    if not mine.keys().isdisjoint(yours):
        joined = _understood(*changed_blobs(hub, base, merged))
        # Both may have done the same, and the other undone it.
        whole = {path: joined[path][1] if path in joined else before[path] for path in whole}

    def elsewhere(names: Collection[str]) -> Iterable[tuple[str, Symbols]]:
        paths = [path for path in hub.files_with(merged, names, tuple(BY_SUFFIX), _MAX_ELSEWHERE) if path not in whole]
        found = hub.files([(merged, path) for path in paths])
        return [(path, read_symbols(path, content)) for path, content in zip(paths, found, strict=True)]

    base_files, our_files, their_files, after = _KNOWN.of(hub, [before, *sides, whole])
    return check(base_files, our_files, their_files, after, elsewhere, cache(partial(paths_in, hub, merged)))


def _understood(changed: Blobs) -> Blobs:
    return {path: blobs for path, blobs in changed.items() if language_of(path) is not None}


class _SymbolCache:
    """The symbols of the versions that were looked at last, for all threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], tuple[Symbols, int]] = OrderedDict()
        """By the end of the file's name and its blob; with what it weighs."""
        self._weight = 0
        self._lock = threading.Lock()

    def of(self, hub: Hub, versions: Sequence[Mapping[str, str | None]]) -> list[dict[str, Symbols]]:
        """What each version of a set of files says; only what is not known is read."""
        wanted = {(_kind(path), blob): path for files in versions for path, blob in files.items() if blob is not None}
        with self._lock:
            found = {key: self._kept[key][0] for key in wanted if key in self._kept}
            for key in found:
                self._kept.move_to_end(key)
        missing = [key for key in wanted if key not in found]
        for key, content in zip(missing, hub.blobs([blob for _, blob in missing]), strict=True):
            found[key] = read_symbols(wanted[key], content)
            self._keep(key, found[key])
        return [
            {path: found[_kind(path), blob] if blob is not None else NOTHING for path, blob in files.items()}
            for files in versions
        ]

    def _keep(self, key: tuple[str, str], value: Symbols) -> None:
        weight = 1 + len(value.definitions) + len(value.uses) + len(value.modules)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = value, weight
                self._weight += weight
            while self._weight > _MAX_KEPT:
                _, (_, weight) = self._kept.popitem(last=False)
                self._weight -= weight


_KNOWN = _SymbolCache()


def _kind(path: str) -> str:
    language = language_of(path)
    return language.name if language is not None else ""
