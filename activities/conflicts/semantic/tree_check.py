"""Semantic check of two commits in the hub: reads the changed files, and those that mention a name in doubt."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import cache, partial

from activities.conflicts.names.check import RULES, Side, check_names
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


def semantic_conflicts(hub: Hub, base: str, ours: str, theirs: str, merged: str) -> list[Finding]:
    """Semantic conflicts of two commits whose merge is the tree `merged`; none where they change too many files."""
    return semantic_conflicts_of(hub, base, changed_blobs(hub, base, ours, theirs), merged)


def semantic_conflicts_of(hub: Hub, base: str, changed: Sequence[Blobs], merged: str) -> list[Finding]:
    """As `semantic_conflicts`, from the changed blobs of the two commits."""
    names = _names(hub, base, changed, merged)
    return [*_symbols(hub, base, changed, merged), *names]


def _names(hub: Hub, base: str, changed: Sequence[Blobs], merged: str) -> list[Finding]:
    """Findings about names that are data."""
    relevant = [
        {path: blobs for path, blobs in side.items() if any(rule.reads(path) for rule in RULES)} for side in changed
    ]
    if not all(relevant) or sum(map(len, relevant)) > _MAX_CHANGED_FILES:
        return []
    joined = changed_blobs(hub, base, merged)[0]
    wanted = {blob for side in (*relevant, joined) for blobs in side.values() for blob in blobs if blob is not None}
    blobs = sorted(wanted)
    texts = dict(zip(blobs, (content.decode("utf-8", "replace") for content in hub.blobs(blobs)), strict=True))

    def side_of(side: Blobs, which: int) -> dict[str, str]:
        return {path: texts.get(blobs[which] or "", "") for path, blobs in side.items()}

    def elsewhere(words: Collection[str]) -> Iterable[tuple[str, str]]:
        paths = hub.files_with(merged, words, ("",), _MAX_FILES_ELSEWHERE)
        contents = hub.files([(merged, path) for path in paths])
        return [
            (path, (content or b"").decode("utf-8", "replace")) for path, content in zip(paths, contents, strict=True)
        ]

    sides = [Side(side_of(side, 0), side_of(side, 1)) for side in relevant]
    whole = {
        path: texts.get((joined[path][1] if path in joined else None) or "", "") for side in relevant for path in side
    }
    return check_names(sides[0], sides[1], whole, elsewhere)


def _symbols(hub: Hub, base: str, changed: Sequence[Blobs], merged: str) -> list[Finding]:
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
