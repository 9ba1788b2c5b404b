"""A commit that replaces one file on a branch of the user's which nobody has checked out."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from activities.git.command import git, records, text
from activities.git.workspace import Workspace
from epw.core.errors import GitError, Refused

_REGULAR = "100"


def commit_on_branch(
    workspace: Workspace, branch: str, path: str, change: Callable[[bytes], bytes], message: str
) -> str | None:
    """Change a file of the branch's newest commit; returns the new commit, None where the file stays as it is.

    Objects and that one ref are written: no work tree, no index, no hook. Raises `Refused` where the branch is checked
    out, gone, moved meanwhile, or has no such file.
    """
    reference = f"refs/heads/{branch}"
    tip = workspace.resolve_ref(reference)
    if tip is None:
        raise Refused(f"the branch {branch} is gone")
    if reference in _checked_out(workspace):
        raise Refused(f"the branch {branch} is checked out, so it is not moved")
    mode, name = _entry(workspace, tip, path)
    before = git("cat-file", "blob", name, git_dir=Path(workspace.git_dir))
    after = change(before)
    if after == before:
        return None
    git_dir, settings = Path(workspace.git_dir), [*workspace.trust, "core.logAllRefUpdates=false"]
    with tempfile.TemporaryDirectory(prefix="epw-") as scratch:
        index = Path(scratch, "index")
        git("read-tree", tip, git_dir=git_dir, index=index, config=settings)
        stored = text(git("hash-object", "-w", "--stdin", git_dir=git_dir, stdin=after, config=settings))
        line = os.fsencode(f"{mode} {stored}\t{path}\0")
        git("update-index", "-z", "--index-info", git_dir=git_dir, index=index, stdin=line, config=settings)
        tree = text(git("write-tree", git_dir=git_dir, index=index, config=settings))
    arguments = ["commit-tree", tree, "-p", tip]
    made = git(*arguments, git_dir=git_dir, config=settings, environment=workspace.author, stdin=message.encode())
    commit = text(made)
    try:
        git("update-ref", reference, commit, tip, git_dir=git_dir, config=settings)
    except GitError:
        raise Refused(f"the branch {branch} was moved meanwhile") from None
    return commit


def _checked_out(workspace: Workspace) -> set[str]:
    """Refs of the branches that some work tree of the repository has checked out."""
    lines = workspace.git("worktree", "list", "--porcelain").decode("utf-8", "surrogateescape").split("\n")
    return {line.removeprefix("branch ") for line in lines if line.startswith("branch ")}


def _entry(workspace: Workspace, commit: str, path: str) -> tuple[str, str]:
    """Mode and blob of a regular file in a commit; raises `Refused`."""
    found = records(workspace.git("ls-tree", "-z", "--full-tree", commit, "--", f":(literal){path}"))
    for entry in found:
        head, _, name = entry.partition("\t")
        mode, kind, blob = head.split(" ")
        if name == path and kind == "blob" and mode.startswith(_REGULAR):
            return mode, blob
    raise Refused(f"the branch has no file {path}")
