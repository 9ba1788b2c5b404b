"""The check of two sides in the hub: only changed files are read, and those in which a name is looked for."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from activities.conflicts.semantic.check import Finding, check
from activities.conflicts.semantic.grammar import GRAMMARS, grammar_of
from activities.conflicts.semantic.symbols import Symbols, symbols
from activities.git.changes import changed_paths
from activities.git.hub import Hub

_MOST_CHANGED = 500
_MOST_ELSEWHERE = 200
_SUFFIXES = tuple(suffix for grammar in GRAMMARS for suffix in grammar.suffixes)


def misfits(hub: Hub, base: str, ours: str, theirs: str, merged: str) -> list[Finding]:
    """What does not fit together of two commits that were merged into a tree; nothing where too much was changed."""
    mine, yours = (_understood(changed_paths(hub, base, side)) for side in (ours, theirs))
    changed = list(dict.fromkeys((*mine, *yours)))
    if not mine or not yours or len(changed) > _MOST_CHANGED:
        return []
    sides = ((base, changed), (ours, mine), (theirs, yours), (merged, changed))
    contents = iter(hub.files([(commit, path) for commit, paths in sides for path in paths]))
    before, our_files, their_files, after = ({path: next(contents) for path in paths} for _, paths in sides)

    def elsewhere(names: Collection[str]) -> Iterable[tuple[str, Symbols]]:
        paths = [path for path in hub.files_with(merged, names, _SUFFIXES, _MOST_ELSEWHERE) if path not in changed]
        found = hub.files([(merged, path) for path in paths])
        return [(path, symbols(path, content)) for path, content in zip(paths, found, strict=True)]

    return check(before, our_files, their_files, after, elsewhere)


def _understood(paths: list[str]) -> list[str]:
    return [path for path in paths if grammar_of(path) is not None]
