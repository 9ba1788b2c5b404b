"""Changes of the hub that stand in the user's own history: by the contents of their files, or as the same patch."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from activities.git.changes import PLAIN_DIFF
from activities.git.command import git, records, text
from activities.git.hub import Hub
from activities.git.many_changes import parents_of
from activities.git.workspace import Workspace

_HEAD = re.compile(rb"(?m)^([0-9a-f]{40})\n")
_PLACE = re.compile(rb"(?m)^(?:index [0-9a-f.]+.*|@@ -\S+ \+\S+ @@.*)\n")
"""Lines of a patch that say where it applies and to what: the same change elsewhere has others."""
_MAX_PATHS = 500
_File = tuple[str, str, str]
"""Path, mode and blob after a change; mode and blob are zeros where it is deleted."""


def standing(hub: Hub, workspace: Workspace, commits: Sequence[str]) -> set[str]:
    """Those of the hub's commits whose change a ref of the user's has, in commits that are newer than the start.

    A change stands where each of its files has been as the change left it, or where a commit makes the same patch:
    so it does after a squash, a rebase and a cherry-pick, and on the branch of another execution.
    """
    ours = parents_of(hub, commits)
    files = {commit: _files(hub.path, {commit: parent}) for commit, parent in ours.items()}
    paths = sorted({path for each in files.values() for path, _, _ in each})
    theirs = _since_the_start(workspace, paths) if paths else {}
    if not theirs:
        return set()
    git_dir = Path(workspace.git_dir)
    known = _files(git_dir, theirs)
    found = {commit for commit, each in files.items() if each and each <= known}
    # Patches need contents, which a partial clone would have to fetch.
    if (left := {commit: ours[commit] for commit in ours if commit not in found}) and not workspace.promisor:
        patches = set(_patches(git_dir, theirs).values())
        found |= {commit for commit, each in _patches(hub.path, left).items() if each in patches}
    return found


def _since_the_start(workspace: Workspace, paths: Sequence[str]) -> dict[str, str]:
    """First parent by commit, of the user's that touch one of the paths."""
    start = [f"^{workspace.head}"] if workspace.head else []
    limit = [f":(top,literal){path}" for path in paths] if len(paths) <= _MAX_PATHS else []
    refs = ("--branches", "--tags", "--remotes", "HEAD")
    # A parent that path limiting has skipped is none of the commit: they are asked for again.
    listed = workspace.git("rev-list", "--no-merges", "--ignore-missing", *refs, *start, "--", *limit, codes=(0, 128))
    found = "".join(f"{line}\n" for line in text(listed).splitlines())
    argv = ("rev-list", "--no-walk=unsorted", "--parents", "--stdin")
    rows = git(*argv, git_dir=Path(workspace.git_dir), stdin=found.encode()) if found else b""
    return {row[0]: row[1] for row in (line.split(" ") for line in text(rows).splitlines()) if len(row) > 1}


def _files(git_dir: Path, parents: Mapping[str, str]) -> set[_File]:
    """What the files of changes were after them."""
    rest, found = iter(records(_diff_tree(git_dir, parents, "--raw", "-z"))), set[_File]()
    for record in rest:
        if record.startswith(":"):
            _, mode, _, blob, *_ = record.split(" ")
            found.add((next(rest), mode, blob))
    return found


def _patches(git_dir: Path, parents: Mapping[str, str]) -> dict[str, bytes]:
    """By commit, a digest of its patch that holds wherever in a file it applies."""
    parts = _HEAD.split(_diff_tree(git_dir, parents, "--patch", "--binary", "--diff-algorithm=myers"))[1:]
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return {commit.decode(): hashlib.sha256(_PLACE.sub(b"", patch)).digest() for commit, patch in pairs}


def _diff_tree(git_dir: Path, parents: Mapping[str, str], *options: str) -> bytes:
    pairs = "".join(f"{commit} {parent}\n" for commit, parent in parents.items()).encode()
    return git("diff-tree", "--stdin", *PLAIN_DIFF, "--full-index", *options, git_dir=git_dir, stdin=pairs)
