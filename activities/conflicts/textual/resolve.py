"""Resolution of the conflicts of a landing: by preferring one side, or by the structure of the files."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from activities.conflicts.structural.line_endings import LF, normalized
from activities.conflicts.structural.regions import is_clean
from activities.conflicts.structural.structural_merge import merged_by_structure
from activities.git.changes import paths_in
from activities.git.command import GITLINK, LINK, REGULAR, display_path
from activities.git.hub import File, Hub
from activities.git.merge import LEFT_IN_PLACE, MOVED_ALONG, Merge, Stage
from activities.git.merge_file import merge_file, merge_texts
from epw.core.globs import matches

_STAGE = {"ours": "2", "theirs": "3"}
"""git's number of each side's stage; 1 is the base."""
_MAX_LOCK_FILES = 10
_MAX_PATH_LENGTH = 200


class _Unresolved(Exception):
    """A file cannot be resolved by the chosen strategy."""


def resolved_tree(hub: Hub, merged: Merge, strategy: str, regenerated: Collection[str] = ()) -> str | None:
    """The tree with every conflict of a merge resolved; None where that is impossible.

    `strategy`: `ours`, `theirs`, `merge` (by structure), or empty for none. `regenerated`: files that a command writes
    again afterwards, so that either side will do.
    """
    in_place = [path for kind, paths in merged.moved if kind in LEFT_IN_PLACE for path in paths]
    if not strategy or not (merged.stages or in_place) or (strategy == "merge" and in_place):
        return None
    if hub.has_any(merged.tree, set(merged.paths) - set(merged.stages) - set(in_place)):
        return None
    resolution = _Resolution(hub, merged, strategy, regenerated)
    files: dict[str, File | None] = dict.fromkeys(merged.aside)
    try:
        for path, stages in merged.stages.items():
            files |= resolution.files_of(path, stages)
            if merged.aside and files[path] is not None and (inner := paths_in(hub, merged.tree, path)):
                # The other side has a directory in its place.
                if strategy == "merge":
                    return None
                files = {**dict.fromkeys(inner), **files}
    except _Unresolved:
        return None
    return hub.with_files(merged.tree, files)


def lock_files_to_regenerate(hub: Hub, merged: Merge, patterns: Collection[str]) -> list[str]:
    """Conflicting files that match the patterns of generated files; empty where other conflicts would remain."""
    found = [
        path
        for path, stages in merged.stages.items()
        if any(matches(pattern, path) for pattern in patterns) and all(stage.mode in REGULAR for stage in stages)
    ]
    # Their paths become part of the history of the execution.
    fit = 0 < len(found) <= _MAX_LOCK_FILES and all(
        display_path(path) == path and len(path) <= _MAX_PATH_LENGTH for path in found
    )
    return found if fit and resolved_tree(hub, merged, "merge", found) is not None else []


@dataclass(frozen=True)
class _Resolution:
    """Resolution of one merge, path by path; raises `_Unresolved`."""

    hub: Hub
    merged: Merge
    strategy: str
    regenerated: Collection[str]

    def files_of(self, path: str, stages: Sequence[Stage]) -> dict[str, File | None]:
        """Files to write for a conflicting path, itself among them; None: removed."""
        sides = _without_markers(self.hub, path, stages, self.merged)
        if path in self.regenerated:
            either = sides.get("2") or sides["3"]
            return {path: (either.mode, either.blob)}
        moved = [paths for kind, paths in self.merged.moved if kind == MOVED_ALONG and len(paths) == 2]
        old = dict(moved).get(path)
        if old is not None and len(stages) == 1:
            return self._placed(stages[0], path, old)
        if self.strategy == "merge":
            if sides != {stage.number: stage for stage in stages}:
                raise _Unresolved
            return {path: _structural(self.hub, path, sides, self.merged)}
        renamed = any(kind == "rename/rename" and path in paths for kind, paths in self.merged.moved)
        if renamed and stages[0].number != _STAGE[self.strategy]:
            return {path: None}
        return {path: _preferred(self.hub, path, sides, self.strategy, self.merged)}

    def _placed(self, stage: Stage, path: str, old: str) -> dict[str, File | None]:
        """A new file in a directory that the other side has moved.

        It moves too, unless its side is preferred and its old place is free.
        """
        file = (stage.mode, stage.blob)
        parents = [old[:end] for end, letter in enumerate(old) if letter == "/"]
        is_taken = any(self.hub.file(self.merged.tree, each) is not None for each in (*parents, old))
        if stage.number != _STAGE.get(self.strategy) or is_taken:
            return {path: file}
        return {path: None, old: file}


def _without_markers(hub: Hub, path: str, stages: Sequence[Stage], merged: Merge) -> dict[str, Stage]:
    """The stages of a path; where git put markers into the stage of a renamed file, as the sides have it instead."""
    sides = {stage.number: stage for stage in stages}
    if "1" in sides or not any(_holds_markers(hub, stage) for stage in stages):
        return sides
    old = next((paths for kind, paths in merged.moved if kind == "rename/rename" and path in paths), None)
    names = dict(zip(_STAGE.values(), old[1:], strict=True)) if old and len(old) == 3 else {}
    for number, commit in zip(_STAGE.values(), merged.commits, strict=True):
        own = names.get(number, path)
        mode = next((stage.mode for stage in merged.stages.get(own, []) if stage.number == number), None)
        content = hub.file(commit, own) if mode else None
        if mode and content is not None:
            sides[number] = Stage(mode, hub.store_blob(content), number)
    return sides | ({"1": merged.stages[old[0]][0]} if names and old else {})


def _holds_markers(hub: Hub, stage: Stage) -> bool:
    return stage.mode in REGULAR and b"<<<<<<<< " in hub.blob(stage.blob)


def _structural(hub: Hub, path: str, sides: dict[str, Stage], merged: Merge) -> File:
    ours, theirs, base = sides.get("2"), sides.get("3"), sides.get("1")
    if (
        ours is None
        or theirs is None
        or merged.what
        or path in merged.binary
        or not {ours.mode, theirs.mode} <= set(REGULAR)
    ):
        raise _Unresolved
    if ours.mode != theirs.mode and (base is None or base.mode not in (ours.mode, theirs.mode)):
        raise _Unresolved
    before, mine, yours = (hub.blob(side.blob) if side is not None else b"" for side in (base, ours, theirs))
    unified = normalized(before, mine, yours)
    found = _joined(path, before, mine, yours) if unified is None else _joined(path, *unified[:3])
    if found is None:
        raise _Unresolved
    return _mode(base, ours, theirs), found if unified is None else found.replace(LF, unified[3])


def _joined(path: str, base: bytes, ours: bytes, theirs: bytes) -> bytes | None:
    marked = merge_texts(base, ours, theirs)
    if marked is None or is_clean(marked):
        return marked
    return merged_by_structure(path, base, ours, theirs, marked)


def _preferred(hub: Hub, path: str, sides: dict[str, Stage], strategy: str, merged: Merge) -> File | None:
    """The merge of both texts with conflict regions from one side; where they do not merge as text, that side alone."""
    mine, other = (sides.get(number) for number in (("2", "3") if strategy == "ours" else ("3", "2")))
    if mine is None:
        return None
    base, modes = sides.get("1"), {side.mode for side in sides.values()}
    has_lines = not merged.what and path not in merged.binary and not modes & {LINK, GITLINK}
    if base is not None and other is not None and has_lines:
        text = merge_file(hub, base.blob, sides["2"].blob, sides["3"].blob, f"--{strategy}")
        if text is not None:
            return _mode(base, mine, other), text
    return mine.mode, mine.blob


def _mode(base: Stage | None, mine: Stage, other: Stage) -> str:
    """The mode of the side that changed it, else of `mine`."""
    return other.mode if base is not None and mine.mode == base.mode else mine.mode
