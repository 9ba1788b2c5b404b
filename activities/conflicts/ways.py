"""The ways in which a conflict is merged in a landing: one side preferred, or both by the structure of the file."""

from __future__ import annotations

from collections.abc import Collection

from activities.conflicts.structural.ends import LF, level
from activities.conflicts.structural.file import merged_by_structure
from activities.conflicts.structural.places import is_clean
from activities.git.command import GITLINK, LINK, REGULAR, shown
from activities.git.hub import File, Hub
from activities.git.merge import Merge, Stage, merge_file, merge_texts
from workflows.globs import matches

_MOST_RELOCKED = 10
_LONGEST_PATH = 200


class _Unsettled(Exception):
    """A file cannot be had in the way that is asked for."""


def merged_by(hub: Hub, merged: Merge, way: str, relocked: Collection[str] = ()) -> str | None:
    """The tree in which every conflict of a merge is settled in that way; null where it cannot be.

    `relocked`: files that will be made anew, so that either side of them will do.
    """
    if way == "merge" and merged.only_moved:
        return merged.tree
    if not way or not merged.stages or hub.has_any(merged.tree, set(merged.paths) - set(merged.stages)):
        return None
    files: dict[str, File | None] = dict.fromkeys(merged.aside)
    try:
        for path, stages in merged.stages.items():
            sides = {stage.number: stage for stage in stages}
            if path in relocked:
                either = sides.get("2") or sides["3"]
                files[path] = either.mode, either.blob
            elif way == "merge":
                files[path] = _structural(hub, path, sides, merged)
            else:
                files[path] = _preferred(hub, path, sides, way, merged)
            if merged.aside and files[path] is not None and hub.has_any(merged.tree, [f"{path}/"]):
                # A directory of the other side's is in its place.
                return None
    except _Unsettled:
        return None
    return hub.with_files(merged.tree, files)


def to_relock(hub: Hub, merged: Merge, patterns: Collection[str]) -> list[str]:
    """Generated files, by pattern, that alone are in the way of a merge; empty where others are too."""
    found = [
        path
        for path, stages in merged.stages.items()
        if any(matches(pattern, path) for pattern in patterns) and all(stage.mode in REGULAR for stage in stages)
    ]
    # In the history of the execution they stand by name.
    can = 0 < len(found) <= _MOST_RELOCKED and all(shown(path) == path and len(path) <= _LONGEST_PATH for path in found)
    return found if can and merged_by(hub, merged, "merge", found) is not None else []


def _structural(hub: Hub, path: str, sides: dict[str, Stage], merged: Merge) -> File:
    ours, theirs, base = sides.get("2"), sides.get("3"), sides.get("1")
    if (
        ours is None
        or theirs is None
        or merged.what
        or path in merged.binary
        or not {ours.mode, theirs.mode} <= set(REGULAR)
    ):
        raise _Unsettled
    if ours.mode != theirs.mode and (base is None or base.mode not in (ours.mode, theirs.mode)):
        raise _Unsettled
    before, mine, yours = (hub.blob(side.blob) if side is not None else b"" for side in (base, ours, theirs))
    leveled = level(before, mine, yours)
    found = _joined(path, before, mine, yours) if leveled is None else _joined(path, *leveled[:3])
    if found is None:
        raise _Unsettled
    return _mode(base, ours, theirs), found if leveled is None else found.replace(LF, leveled[3])


def _joined(path: str, base: bytes, ours: bytes, theirs: bytes) -> bytes | None:
    marked = merge_texts(base, ours, theirs)
    if marked is None or is_clean(marked):
        return marked
    return merged_by_structure(path, base, ours, theirs, marked)


def _preferred(hub: Hub, path: str, sides: dict[str, Stage], way: str, merged: Merge) -> File | None:
    """Where both sides have the file as text: only the places that do not merge; else the side as it is, or its
    absence."""
    mine, other = (sides.get(number) for number in (("2", "3") if way == "ours" else ("3", "2")))
    if mine is None:
        return None
    base, modes = sides.get("1"), {side.mode for side in sides.values()}
    has_lines = not merged.what and path not in merged.binary and not modes & {LINK, GITLINK}
    if base is not None and other is not None and has_lines:
        text = merge_file(hub, base.blob, sides["2"].blob, sides["3"].blob, f"--{way}")
        if text is not None:
            return _mode(base, mine, other), text
    return mine.mode, mine.blob


def _mode(base: Stage | None, mine: Stage, other: Stage) -> str:
    """A mode that only one side has changed is that side's."""
    return other.mode if base is not None and mine.mode == base.mode else mine.mode
