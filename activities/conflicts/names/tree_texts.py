"""Check of the texts of two commits in the hub: reads the changed files, and those that mention a name in doubt."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from activities.conflicts.names.check import Elsewhere, Side, Texts, is_read
from activities.conflicts.semantic.sides import Finding
from activities.git.changes import Blobs, changed_blobs
from activities.git.hub import Hub

_MAX_CHANGED_FILES = 500
_MAX_FILES_ELSEWHERE = 200
Check = Callable[[Side, Side, Texts, Elsewhere], list[Finding]]
"""Findings of both sides, the files that either has changed as merged, and what gives the others."""


def check_texts(hub: Hub, base: str, changed: Sequence[Blobs], merged: str, checks: Sequence[Check]) -> list[Finding]:
    """Findings of checks of two sides whose merge is the tree `merged`; none where they change too many files.

    `changed`: the blobs that each side has changed since `base`.
    """
    relevant = [{path: blobs for path, blobs in side.items() if is_read(path)} for side in changed]
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

    mine, yours = relevant
    sides = Side(side_of(mine, 0), side_of(mine, 1), "ours"), Side(side_of(yours, 0), side_of(yours, 1), "theirs")
    whole = {
        path: texts.get((joined[path][1] if path in joined else None) or "", "") for side in relevant for path in side
    }
    return [finding for check in checks for finding in check(sides[0], sides[1], whole, elsewhere)]
