"""The ways in which a conflict is merged in a landing: one side preferred, or both by the structure of the file."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from activities.conflicts.structural.line_endings import LF, normalized
from activities.conflicts.structural.regions import is_clean
from activities.conflicts.structural.structural_merge import merged_by_structure
from activities.git.changes import paths_in
from activities.git.command import GITLINK, LINK, REGULAR, display_path
from activities.git.hub import File, Hub
from activities.git.merge import LEFT_IN_PLACE, MOVED_ALONG, Merge, Stage, merge_file, merge_texts
from epw.core.globs import matches

_NUMBER = {"ours": "2", "theirs": "3"}
_MAX_RELOCKED = 10
_MAX_PATH_LENGTH = 200


class _Unsettled(Exception):
    """A file cannot be had in the way that is asked for."""


def resolved_tree(hub: Hub, merged: Merge, way: str, relocked: Collection[str] = ()) -> str | None:
    """The tree in which every conflict of a merge is settled in that way; None where it cannot be.

    `relocked`: files that will be made anew, so that either side of them will do.
    """
    in_place = [path for kind, paths in merged.moved if kind in LEFT_IN_PLACE for path in paths]
    if not way or not (merged.stages or in_place) or (way == "merge" and in_place):
        return None
    if hub.has_any(merged.tree, set(merged.paths) - set(merged.stages) - set(in_place)):
        return None
    files: dict[str, File | None] = dict.fromkeys(merged.aside)
    named = {path for kind, paths in merged.moved if kind == "rename/rename" for path in paths}
    along = {paths[0]: paths[1] for kind, paths in merged.moved if kind == MOVED_ALONG and len(paths) == 2}
    try:
        for path, stages in merged.stages.items():
            sides = _without_markers(hub, path, stages, merged)
            if path in relocked:
                either = sides.get("2") or sides["3"]
                files[path] = either.mode, either.blob
            elif path in along and len(stages) == 1:
                files |= _placed(hub, stages[0], path, along[path], way, merged)
            elif way == "merge" and sides == {stage.number: stage for stage in stages}:
                files[path] = _structural(hub, path, sides, merged)
            elif way == "merge":
                return None
            elif path in named and stages[0].number != _NUMBER[way]:
                files[path] = None
            else:
                files[path] = _preferred(hub, path, sides, way, merged)
            if merged.aside and files[path] is not None and (inner := paths_in(hub, merged.tree, path)):
                # A directory of the other side's is in its place.
                if way == "merge":
                    return None
                files = {**dict.fromkeys(inner), **files}
    except _Unsettled:
        return None
    return hub.with_files(merged.tree, files)


def _placed(hub: Hub, stage: Stage, path: str, old: str, way: str, merged: Merge) -> dict[str, File | None]:
    """A new file of a directory that the other side has moved: it goes along, unless the side that has it is preferred
    and its old place is free."""
    file = (stage.mode, stage.blob)
    parents = [old[:end] for end, letter in enumerate(old) if letter == "/"]
    if stage.number != _NUMBER.get(way) or any(hub.file(merged.tree, each) is not None for each in (*parents, old)):
        return {path: file}
    return {path: None, old: file}


def _without_markers(hub: Hub, path: str, stages: Sequence[Stage], merged: Merge) -> dict[str, Stage]:
    """The sides of a path; where git has merged a renamed file into one, and left markers in it, as they were."""
    sides = {stage.number: stage for stage in stages}
    if "1" in sides or not any(_holds_markers(hub, stage) for stage in stages):
        return sides
    old = next((paths for kind, paths in merged.moved if kind == "rename/rename" and path in paths), None)
    names = dict(zip(_NUMBER.values(), old[1:], strict=True)) if old and len(old) == 3 else {}
    for number, commit in zip(_NUMBER.values(), merged.commits, strict=True):
        own = names.get(number, path)
        mode = next((stage.mode for stage in merged.stages.get(own, []) if stage.number == number), None)
        content = hub.file(commit, own) if mode else None
        if mode and content is not None:
            sides[number] = Stage(mode, hub.keep_blob(content), number)
    return sides | ({"1": merged.stages[old[0]][0]} if names and old else {})


def _holds_markers(hub: Hub, stage: Stage) -> bool:
    return stage.mode in REGULAR and b"<<<<<<<< " in hub.blob(stage.blob)


def lock_files_to_regenerate(hub: Hub, merged: Merge, patterns: Collection[str]) -> list[str]:
    """Generated files, by pattern, that alone are in the way of a merge; empty where others are too."""
    found = [
        path
        for path, stages in merged.stages.items()
        if any(matches(pattern, path) for pattern in patterns) and all(stage.mode in REGULAR for stage in stages)
    ]
    # In the history of the execution they stand by name.
    can = 0 < len(found) <= _MAX_RELOCKED and all(
        display_path(path) == path and len(path) <= _MAX_PATH_LENGTH for path in found
    )
    return found if can and resolved_tree(hub, merged, "merge", found) is not None else []


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
    unified = normalized(before, mine, yours)
    found = _joined(path, before, mine, yours) if unified is None else _joined(path, *unified[:3])
    if found is None:
        raise _Unsettled
    return _mode(base, ours, theirs), found if unified is None else found.replace(LF, unified[3])


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
