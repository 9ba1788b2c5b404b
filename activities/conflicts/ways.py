"""The ways in which a conflict is merged in a landing: one side preferred, or both by the structure of the file."""

from __future__ import annotations

from activities.conflicts.structural.file import merged_by_structure
from activities.git.command import GITLINK
from activities.git.hub import Hub
from activities.git.merge import LINK, Merge, Stage, merge_file, merge_texts

_REGULAR = ("100644", "100755")


def merged_by(hub: Hub, merged: Merge, way: str) -> str | None:
    """The tree in which every conflict of a merge is settled in that way; null where it cannot be."""
    if not way or not merged.stages or set(merged.paths) - set(merged.stages):
        return None
    files: dict[str, tuple[str, bytes] | None] = {}
    for path, stages in merged.stages.items():
        sides = {stage.number: stage for stage in stages}
        settled = _structural(hub, path, sides) if way == "merge" else _preferred(hub, sides, way)
        if settled is _UNSETTLED:
            return None
        files[path] = settled  # type: ignore[assignment]
    return hub.with_files(merged.tree, files)


_UNSETTLED = object()


def _structural(hub: Hub, path: str, sides: dict[str, Stage]) -> object:
    ours, theirs, base = sides.get("2"), sides.get("3"), sides.get("1")
    if ours is None or theirs is None or not {ours.mode, theirs.mode} <= set(_REGULAR):
        return _UNSETTLED
    before, mine, yours = (hub.blob(side.blob) if side is not None else b"" for side in (base, ours, theirs))
    marked = merge_texts(before, mine, yours)
    merged = merged_by_structure(path, before, mine, yours, marked) if marked is not None else None
    # A mode that only one side has changed is that side's.
    mode = theirs.mode if base is not None and ours.mode == base.mode else ours.mode
    return _UNSETTLED if merged is None else (mode, merged)


def _preferred(hub: Hub, sides: dict[str, Stage], way: str) -> object:
    """Where both sides have the file: only the places that do not merge; else the side as it is, or its absence."""
    mine = sides.get("2" if way == "ours" else "3")
    if GITLINK in {side.mode for side in sides.values()}:
        return _UNSETTLED
    if mine is None:
        return None
    if {"1", "2", "3"} <= set(sides) and LINK not in {side.mode for side in sides.values()}:
        merged = merge_file(hub, sides["1"].blob, sides["2"].blob, sides["3"].blob, f"--{way}")
        if merged is not None:
            other = sides["3" if way == "ours" else "2"]
            return (other.mode if mine.mode == sides["1"].mode else mine.mode), merged
    return mine.mode, hub.blob(mine.blob)
