"""The ways in which a conflict is merged in a landing: one side preferred, or both by the structure of the file."""

from __future__ import annotations

from activities.conflicts.structural.file import merged_by_structure
from activities.git.command import GITLINK
from activities.git.hub import Hub
from activities.git.merge import LINK, Merge, Stage, merge_file, merge_texts

_File = tuple[str, bytes]
"""Mode and content."""
_REGULAR = ("100644", "100755")


class _Unsettled(Exception):
    """A file cannot be had in the way that is asked for."""


def merged_by(hub: Hub, merged: Merge, way: str) -> str | None:
    """The tree in which every conflict of a merge is settled in that way; null where it cannot be."""
    if not way or not merged.stages or set(merged.paths) - set(merged.stages):
        return None
    files: dict[str, _File | None] = {}
    try:
        for path, stages in merged.stages.items():
            sides = {stage.number: stage for stage in stages}
            files[path] = _structural(hub, path, sides) if way == "merge" else _preferred(hub, sides, way)
    except _Unsettled:
        return None
    return hub.with_files(merged.tree, files)


def _structural(hub: Hub, path: str, sides: dict[str, Stage]) -> _File:
    ours, theirs, base = sides.get("2"), sides.get("3"), sides.get("1")
    if ours is None or theirs is None or not {ours.mode, theirs.mode} <= set(_REGULAR):
        raise _Unsettled
    before, mine, yours = (hub.blob(side.blob) if side is not None else b"" for side in (base, ours, theirs))
    marked = merge_texts(before, mine, yours)
    merged = merged_by_structure(path, before, mine, yours, marked) if marked is not None else None
    if merged is None:
        raise _Unsettled
    return _mode(base, ours, theirs), merged


def _preferred(hub: Hub, sides: dict[str, Stage], way: str) -> _File | None:
    """Where both sides have the file: only the places that do not merge; else the side as it is, or its absence."""
    mine, other = (sides.get(number) for number in (("2", "3") if way == "ours" else ("3", "2")))
    modes = {side.mode for side in sides.values()}
    if GITLINK in modes:
        raise _Unsettled
    if mine is None:
        return None
    base = sides.get("1")
    if base is not None and other is not None and LINK not in modes:
        merged = merge_file(hub, base.blob, sides["2"].blob, sides["3"].blob, f"--{way}")
        if merged is not None:
            return _mode(base, mine, other), merged
    return mine.mode, hub.blob(mine.blob)


def _mode(base: Stage | None, mine: Stage, other: Stage) -> str:
    """A mode that only one side has changed is that side's."""
    return other.mode if base is not None and mine.mode == base.mode else mine.mode
