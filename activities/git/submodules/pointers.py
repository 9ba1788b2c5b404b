"""Submodule pointers (gitlinks) of commits in the hub, and single entries of trees."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from activities.git.command import GITLINK, git, records, run_git, text
from activities.git.hub import Hub

TREE = "040000"
"""Mode of a directory in a tree."""
_MAX_CACHED = 1024
_cache: OrderedDict[tuple[Path, str], dict[str, str]] = OrderedDict()


def pointers(hub: Hub, commit: str) -> tuple[tuple[str, str], ...]:
    """Path of each submodule of a commit, and the commit that it points to; sorted by path."""
    found = _cache.get((hub.path, commit))
    if found is None:
        # A head differs little from the one before it, and listing a whole tree of many files takes long.
        parent = git("rev-parse", "--verify", "--quiet", f"{commit}^1", git_dir=hub.path, codes=(0, 1, 128))
        before = _cache.get((hub.path, text(parent)))
        found = (
            _listed_pointers(hub, commit) if before is None else _changed_pointers(hub, text(parent), commit, before)
        )
        _cache[hub.path, commit] = found
        if len(_cache) > _MAX_CACHED:
            _cache.popitem(last=False)
    return tuple(sorted(found.items()))


def _listed_pointers(hub: Hub, commit: str) -> dict[str, str]:
    listed = records(git("ls-tree", "-r", "-z", commit, git_dir=hub.path))
    entries = (entry.split("\t", 1) for entry in listed if entry.startswith(f"{GITLINK} "))
    return {path: entry.split(" ")[2] for entry, path in entries}


def _changed_pointers(hub: Hub, before: str, commit: str, known: Mapping[str, str]) -> dict[str, str]:
    found = dict(known)
    for each in hub.diff_files(before, commit):
        found.pop(each.path, None)
        if each.mode == GITLINK:
            found[each.path] = each.new
    return found


def entry_at(hub: Hub, tree: str, path: str) -> tuple[str, str] | None:
    """Mode and object id at a path of a tree or commit; None if nothing is there."""
    folder, name = os.path.split(path)
    for line in _listed(hub, f"{tree}:{folder}"):
        entry, _, found = line.partition("\t")
        if found == name:
            mode, _, sha = entry.split(" ")
            return mode, sha
    return None


def _listed(hub: Hub, tree: str) -> list[str]:
    done = run_git("ls-tree", "-z", tree, git_dir=hub.path, codes=(0, 128))
    return records(done.stdout) if done.returncode == 0 else []


def with_entry(hub: Hub, tree: str, path: str, entry: str | None) -> str:
    """A tree with an entry (mode, type and object id) at a path; None removes the one that is there."""
    result = tree
    for part in [PurePosixPath(path), *PurePosixPath(path).parents][:-1]:
        folder = "" if str(part.parent) == "." else str(part.parent)
        lines = [line for line in _listed(hub, f"{tree}:{folder}") if line.partition("\t")[2] != part.name]
        lines += [f"{entry}\t{part.name}"] if entry is not None else []
        content = "".join(f"{line}\0" for line in lines)
        result = text(git("mktree", "-z", "--missing", git_dir=hub.path, stdin=os.fsencode(content)))
        entry = f"{TREE} tree {result}" if lines else None
    return result
