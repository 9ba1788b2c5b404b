"""Differences between commits: paths, blobs, and the rows of a result (docs/contract.md)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from activities.git.command import EMPTY_TREE, GITLINK, REGULAR, display_path, git, records
from activities.git.hub import Hub
from activities.git.submodules.gitmodules import container_of
from activities.git.submodules.pointers import TREE, entry_at

_HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_TYPES = {"A": "create", "D": "delete"}
PLAIN_DIFF = ("-r", "--no-renames", "--no-ext-diff", "--no-textconv", "--root")
LISTED = ("--raw", "--numstat", "-z")
PATCHED = ("--patch", "--unified=0", "--diff-algorithm=myers")


def changed_paths(hub: Hub, before: str, after: str) -> list[str]:
    """Paths that differ between two commits or trees, in submodules too if the hub has their commits.

    A path that became a submodule, or is no longer one, is compared by its files.
    """
    differing = hub.diff_files(before, after)
    modules = {each.path for each in differing if GITLINK in (each.old_mode, each.mode)}
    found = []
    for path in (each.path for each in differing):
        sides = [_files_at(hub, each, path) for each in (before, after)] if path in modules else []
        if sides and None not in sides:
            found += [f"{path}/{inner}" for inner in changed_paths(hub, *filter(None, sides))]
        elif not container_of(path, modules):
            found.append(path)
    return found


def paths_in(hub: Hub, tree: str, folder: str = "") -> list[str]:
    """The files of a tree, or of a folder in it."""
    inside = ["--", f"{folder}/"] if folder else []
    return records(git("ls-tree", "-r", "-z", "--name-only", "--full-tree", tree, *inside, git_dir=hub.path))


def _files_at(hub: Hub, tree: str, path: str) -> str | None:
    """The commit or tree with the files at a path; None for a file, and for a submodule whose commit is missing."""
    mode, name = entry_at(hub, tree, path) or (TREE, EMPTY_TREE)
    return name if mode == TREE or (mode == GITLINK and hub.resolve(name)) else None


Blobs = dict[str, tuple[str | None, str | None]]
"""Blobs before and after, by path; None if there is no regular file."""


def changed_blobs(hub: Hub, before: str, *after: str) -> list[Blobs]:
    """Blobs that differ between a commit and each of other commits or trees, with one git process."""
    tree, *trees = hub.trees_of([before, *after])
    pairs = "".join(f"{tree} {each}\n" for each in trees).encode()
    rest = iter(records(git("diff-tree", *PLAIN_DIFF, "--stdin", "--raw", "-z", git_dir=hub.path, stdin=pairs)))
    found: dict[str, Blobs] = {each: {} for each in trees}
    into: Blobs = {}
    for entry in rest:
        # A line with the ids of both trees precedes their first difference.
        *names, difference = entry.split("\n")
        into = found[names[-1].split(" ")[1]] if names else into
        if not difference:
            # The last two trees do not differ.
            break
        old_mode, mode, old, new, _ = difference[1:].split(" ")
        into[next(rest)] = old if old_mode in REGULAR else None, new if mode in REGULAR else None
    return [found[each] for each in trees]


def changes(hub: Hub, before: str, after: str) -> list[dict[str, Any]]:
    """`{file, type, additions, deletions, lineNumbers, mode?}` of each path that differs, in git's order.

    `lineNumbers`: `{start, end}`, the first and the last changed line of the new file (of a deleted one: the old file);
    it and the counts are None for a binary file. `mode`: before and now, if it changed (`100644 → 100755`).
    """
    listed = records(git("diff-tree", *PLAIN_DIFF, *LISTED, before, after, git_dir=hub.path))
    return as_rows(listed, git("diff-tree", *PLAIN_DIFF, *PATCHED, before, after, git_dir=hub.path))


def as_rows(listed: list[str], patch: bytes) -> list[dict[str, Any]]:
    """Rows of `changes` from what git says with the options `LISTED`, as records, and with `PATCHED`."""
    kinds: dict[str, str] = {}
    modes: dict[str, str] = {}
    while listed and listed[0].startswith(":"):
        old_mode, mode, _, _, status = listed.pop(0)[1:].split(" ")
        path = listed.pop(0)
        kinds[path] = status[0]
        if status[0] in "MT" and old_mode != mode:
            modes[path] = f"{old_mode} → {mode}"
    counts = {}
    for record in listed:
        added, deleted, path = record.split("\t", 2)
        counts[path] = (None, None) if added == "-" else (int(added), int(deleted))
    # One header per file, in the order of the raw lines: no need to parse quoted names. A file that became a link, or
    # a link that became a file, has two: a deletion and a creation.
    ranges = iter([_lines(part) for part in re.split(rb"(?m)^diff --git ", patch)[1:]])
    found = []
    for path, status in kinds.items():
        old, new = next(ranges)
        if status == "T":
            new = next(ranges)[1]
        plus, minus = counts.get(path, (0, 0))
        kind, lines = _TYPES.get(status, "modify"), old if status == "D" else new
        row = {"file": display_path(path), "type": kind, "additions": plus, "deletions": minus, "lineNumbers": lines}
        found.append(row | ({"mode": modes[path]} if path in modes else {}))
    return found


def _lines(patch: bytes) -> tuple[dict[str, int] | None, dict[str, int] | None]:
    """First and last changed line in the old and the new file."""
    matches = filter(None, map(_HUNK.match, patch.split(b"\n")))
    found = [[int(group) if group is not None else 1 for group in match.groups()] for match in matches]
    return _range((start, count) for start, count, _, _ in found), _range(
        (start, count) for _, _, start, count in found
    )


def _range(hunks: Iterable[tuple[int, int]]) -> dict[str, int] | None:
    # A hunk without lines (deletions only) is after line `start`.
    spans = [(max(start, 1), max(start + count - 1, start, 1)) for start, count in hunks]
    if not spans:
        return None
    return {"start": min(first for first, _ in spans), "end": max(last for _, last in spans)}
