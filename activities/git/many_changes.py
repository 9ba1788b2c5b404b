"""Changes of many commits, by a few git processes for all: a report of a thousand tasks reads a thousand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from activities.git.changes import LISTED, PATCHED, PLAIN_DIFF, as_rows
from activities.git.command import git, records, text
from activities.git.hub import Hub

_HEAD = re.compile(rb"(?m)^([0-9a-f]{40}(?:[0-9a-f]{24})?)\n")
"""Line before the patch of a commit; no line within one looks so: each begins with a word, a sign or a blank."""


def parents_of(hub: Hub, commits: Sequence[str]) -> dict[str, str]:
    """First parent by commit, without the commits that the hub does not have and those without a parent."""
    if not commits:
        return {}
    argv = ("rev-list", "--no-walk=unsorted", "--parents", "--ignore-missing", "--stdin")
    listed = text(git(*argv, git_dir=hub.path, stdin="".join(f"{each}\n" for each in commits).encode()))
    rows = [line.split(" ") for line in listed.splitlines()]
    return {row[0]: row[1] for row in rows if len(row) > 1}


def held(hub: Hub, commits: Sequence[str], refs: str) -> set[str]:
    """Those of the commits that refs beneath a prefix reach, and no collection of garbage removes."""
    here = list(parents_of(hub, commits))
    listed = text(git("for-each-ref", "--format=%(objecttype) %(objectname)", refs, git_dir=hub.path)).splitlines()
    tips = {each.removeprefix("commit ") for each in listed if each.startswith("commit ")}
    left = [each for each in here if each not in tips]
    if not left:
        return set(here)
    # Options are not read from the standard input, and arguments would be too long.
    revisions = "".join(f"{each}\n" for each in [*left, *(f"^{tip}" for tip in tips)]).encode()
    return set(here).difference(text(git("rev-list", "--stdin", git_dir=hub.path, stdin=revisions)).split())


def changes_of(hub: Hub, parents: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
    """Rows of `activities.git.changes.changes` from parent to commit, by commit; the hub has all of them."""
    listed: dict[str, list[str]] = {commit: [] for commit in parents}
    rest, commit = iter(records(_diff_tree(hub, parents, *LISTED))), ""
    for record in rest:
        if record.startswith(":"):
            listed[commit] += [record, next(rest)]
        elif "\t" in record:
            listed[commit].append(record)
        else:
            commit = record
    patches = dict(_by_commit(_diff_tree(hub, parents, *PATCHED)))
    return {commit: as_rows(each, patches.get(commit, b"")) for commit, each in listed.items()}


def patches_of(hub: Hub, parents: Mapping[str, str]) -> dict[str, bytes]:
    """Unified diff from parent to commit, by commit; of binary files only that they differ."""
    return {**dict.fromkeys(parents, b""), **dict(_by_commit(_diff_tree(hub, parents, "--patch")))}


def _diff_tree(hub: Hub, parents: Mapping[str, str], *options: str) -> bytes:
    pairs = "".join(f"{commit} {parent}\n" for commit, parent in parents.items()).encode()
    return git("diff-tree", "--stdin", *PLAIN_DIFF, *options, git_dir=hub.path, stdin=pairs) if parents else b""


def _by_commit(patches: bytes) -> Iterator[tuple[str, bytes]]:
    parts = _HEAD.split(patches)[1:]
    return ((commit.decode(), patch) for commit, patch in zip(parts[::2], parts[1::2], strict=True))
