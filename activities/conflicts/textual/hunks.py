"""Hunks of a conflict, for people and for agents that rerun: what each side has in each conflicting place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from activities.git.command import GITLINK, LINK, display_path
from activities.git.hub import Hub
from activities.git.merge import Merge, Stage
from activities.git.merge_file import hunks

_STAGES = {"base": "1", "ours": "2", "theirs": "3"}
_MAX_TEXT_LENGTH = 4000
_MAX_BYTES = 48_000
"""Largest size of all hunks as JSON, so that they fit into an environment variable."""
_HUNK_HEADER = re.compile(rb"@@ -(\d+)(?:,\d+)? \+(\d+)")

Hunk = dict[str, Any]


def conflict_hunks(hub: Hub, merged: Merge) -> list[Hunk]:
    """Hunks `{path, base, ours, theirs}`; None, or empty text, where a side has nothing.

    A hunk of text has `line`, in the file with conflict markers, or else in the side that changed it. Others have
    `what`: `name` (paths), `mode`, `symlink` (targets, or the text of a file), `submodule` (commits), or `binary` (each
    side `{size, blob}`).
    """
    found = [_name_hunk(hub, moved, merged) for moved in merged.moved]
    for path in merged.paths:
        stages = {stage.number: stage for stage in merged.stages.get(path, [])}
        found += [{"path": display_path(path), **hunk} for hunk in _file_hunks(hub, path, stages, merged)]
    return limit_hunks(found)


def limit_hunks(found: Iterable[Hunk]) -> list[Hunk]:
    """The first hunks up to the limit of bytes, long texts cut."""
    kept, size = [], 0
    for each in found:
        hunk = {name: _cut(value) for name, value in each.items()}
        size += len(json.dumps(hunk))
        if size > _MAX_BYTES:
            break
        kept.append(hunk)
    return kept


def _cut(value: Any) -> Any:
    is_long = isinstance(value, str) and len(value) > _MAX_TEXT_LENGTH
    return f"{value[:_MAX_TEXT_LENGTH]}…\n" if is_long else value


def _name_hunk(hub: Hub, moved: tuple[str, list[str]], merged: Merge) -> Hunk:
    """Hunk of a file or directory that a side has moved."""
    kind, paths = moved
    names: dict[str, str | None] = {"base": display_path(paths[-1]), "ours": None, "theirs": None}
    numbers = [stage.number for stage in merged.stages.get(paths[0], [])]
    if kind == "rename/rename" and len(paths) > 2:
        names = dict(zip(_STAGES, map(display_path, paths), strict=False))
    elif len(paths) > 1:
        is_theirs = hub.has_any(merged.commits[0], [paths[1]]) if len(numbers) > 1 else "3" in numbers
        moves, other = ("theirs", "ours") if is_theirs else ("ours", "theirs")
        if "suggested" in kind:
            # The side that did not move the directory has added the file.
            names = {"base": None, moves: display_path(paths[1]), other: display_path(paths[0])}
        else:
            names[moves] = display_path(paths[0])
    return {"path": display_path(paths[0]), "what": "name", **names}


def _file_hunks(hub: Hub, path: str, stages: dict[str, Stage], merged: Merge) -> list[Hunk]:
    modes = {stage.mode for stage in stages.values()}
    if not stages:
        return []
    if GITLINK in modes:
        return [{"what": "submodule", **_by_side(stages, {number: each.blob for number, each in stages.items()})}]
    contents = dict(zip(stages, hub.blobs([each.blob for each in stages.values()]), strict=True))
    texts = {number: content.decode(errors="backslashreplace") for number, content in contents.items()}
    if LINK in modes:
        return [{"what": "symlink", **_by_side(stages, texts)}]
    if path in merged.binary or any(b"\0" in content for content in contents.values()):
        sizes = {number: {"size": len(content), "blob": stages[number].blob} for number, content in contents.items()}
        return [{"what": "binary", **_by_side(stages, sizes)}]
    found: list[Hunk] = list(hunks(hub, merged.tree, path))
    if "2" in stages and "3" in stages and stages["2"].mode != stages["3"].mode:
        found.append({"what": "mode", **_by_side(stages, {number: each.mode for number, each in stages.items()})})
    if found or ("2" in stages and "3" in stages):
        return found
    side = next((name for name in ("ours", "theirs") if _STAGES[name] in stages), None)
    if side is None:
        return []
    nothing = {"base": "", "ours": "", "theirs": ""}
    if "1" not in stages:
        return [{"line": 1, **nothing, side: texts[_STAGES[side]]}]
    changed = _differences(hub, stages["1"].blob, stages[_STAGES[side]].blob)
    return [{"line": line, **nothing, "base": old, side: new} for line, old, new in changed]


def _by_side(stages: dict[str, Stage], values: dict[str, Any]) -> dict[str, Any]:
    return {name: values[number] if number in stages else None for name, number in _STAGES.items()}


def _differences(hub: Hub, before: str, after: str) -> list[tuple[int, str, str]]:
    """Differences of two blobs: line in the second one, text of the first, text of the second."""
    found: list[tuple[int, str, str]] = []
    for line in hub.diff_of_blobs(before, after).splitlines(keepends=True):
        if header := _HUNK_HEADER.match(line):
            found.append((max(int(header[2]), 1), "", ""))
        elif found and line[:1] in (b"-", b"+"):
            (at, old, new), text = found[-1], line[1:].decode(errors="backslashreplace")
            found[-1] = (at, old + text, new) if line[:1] == b"-" else (at, old, new + text)
    return found
