"""Semantic check of two commits in the hub: reads the changed files, and those that mention a name in doubt."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import cache, partial

from activities.conflicts.semantic.check import check
from activities.conflicts.semantic.languages import BY_SUFFIX, language_of
from activities.conflicts.semantic.read_symbols import read_symbols
from activities.conflicts.semantic.sides import Finding
from activities.conflicts.semantic.symbol_cache import SymbolCache
from activities.conflicts.semantic.symbols import Symbols
from activities.git.changes import Blobs, changed_blobs, paths_in
from activities.git.hub import Hub

_MAX_CHANGED_FILES = 500
_MAX_FILES_ELSEWHERE = 200

_CACHE = SymbolCache()
"""Shared by all executions of the process: its keys are contents."""


def warm_symbol_cache(hub: Hub, base: str, commit: str) -> None:
    """Read the files of a change ahead of its landing: attempts run side by side, landings one after the other."""
    changed = _understood(*changed_blobs(hub, base, commit))
    if len(changed) <= _MAX_CHANGED_FILES:
        _CACHE.symbols_of(hub, [{path: blobs[side] for path, blobs in changed.items()} for side in (0, 1)])


def check_symbols(hub: Hub, base: str, changed: Sequence[Blobs], merged: str) -> list[Finding]:
    """Conflicts of symbols of two sides whose merge is the tree `merged`; none where they change too many files.

    `changed`: the blobs that each side has changed since `base`.
    """
    mine, yours = map(_understood, changed)
    if not mine or not yours or len(mine) + len(yours) > _MAX_CHANGED_FILES:
        return []
    before = {path: old for side in (mine, yours) for path, (old, _) in side.items()}
    sides = [{path: new for path, (_, new) in side.items()} for side in (mine, yours)]
    whole = {**sides[0], **sides[1]}
    if not mine.keys().isdisjoint(yours):
        joined = _understood(*changed_blobs(hub, base, merged))
        # A file that both have changed may be as in the base again.
        whole = {path: joined[path][1] if path in joined else before[path] for path in whole}

    def elsewhere(names: Collection[str]) -> Iterable[tuple[str, Symbols]]:
        found = hub.files_with(merged, names, tuple(BY_SUFFIX), _MAX_FILES_ELSEWHERE)
        paths = [path for path in found if path not in whole]
        contents = hub.files([(merged, path) for path in paths])
        return [(path, read_symbols(path, content)) for path, content in zip(paths, contents, strict=True)]

    base_files, our_files, their_files, after = _CACHE.symbols_of(hub, [before, *sides, whole])
    return check(base_files, our_files, their_files, after, elsewhere, cache(partial(paths_in, hub, merged)))


def _understood(changed: Blobs) -> Blobs:
    return {path: blobs for path, blobs in changed.items() if language_of(path) is not None}
