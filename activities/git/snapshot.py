"""The base of an execution: the workspace as it is, uncommitted and untracked files included."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from activities.git.command import GITLINK, Place, git, records, run_git, text
from activities.git.hub import Hub
from activities.git.workspace import Workspace
from workflows.errors import GitError, InvalidPlan, Problem

_MOST_NESTED = 50
_UNBORN = re.compile(rb"'(.+)' does not have a commit checked out")


def snapshot(hub: Hub, workspace: Workspace, ref: str, at: int, committed: bool) -> str:
    """The commit of the work tree as it is now, HEAD's own where nothing differs.

    The user's index and repository are only read. `at`: epoch seconds of a commit we make; `ref` keeps it.
    `committed`: only what `workspace.head` holds.
    """
    head = workspace.head
    if head is not None:
        hub.fetch(workspace, head, ref)
    if head is not None and (committed or workspace.bare):
        return head
    if workspace.bare:
        raise InvalidPlan([Problem("workspace", f"{workspace.path} is a bare repository without commits")])
    with tempfile.TemporaryDirectory(dir=hub.path, prefix="snapshot-") as scratch:
        index, excludes = Path(scratch, "index"), Path(scratch, "exclude")
        excludes.write_text(workspace.excludes)
        tree = _tree(hub, workspace, index, excludes)
    if head is not None and tree == hub.tree_of(head):
        return head
    parents = [head] if head is not None else []
    base = hub.commit(tree, parents, "epw: the workspace at the start, with uncommitted changes", workspace, at)
    hub.update_ref(ref, base)
    return base


def _tree(hub: Hub, workspace: Workspace, index: Path, excludes: Path) -> str:
    place = Place(git_dir=hub.path, work_tree=Path(workspace.path), index=index)
    config = [*workspace.content_settings, f"core.excludesFile={excludes}"]
    _start_index(hub, workspace, index)
    for _ in range(_MOST_NESTED):
        added = run_git("add", "--all", "--", ":/", **place, config=config, codes=(0, 128))
        if not added.returncode:
            break
        unborn = _UNBORN.search(added.stderr)
        if unborn is None:
            raise GitError(["add"], added.returncode, added.stderr.decode(errors="replace"))
        with open(excludes, "ab") as file:
            file.write(b"\n/" + re.sub(rb"([*?\[\\])", rb"\\\1", unborn[1]) + b"\n")
    # A repository inside that is no submodule is its own: as a bare commit id it would be of no use.
    nested = b"".join(f"{path}\0".encode("utf-8", "surrogateescape") for path in _nested(workspace, place))
    if nested:
        git("update-index", "--force-remove", "-z", "--stdin", **place, stdin=nested)
    return text(git("write-tree", **place))


def _nested(workspace: Workspace, place: Place) -> list[str]:
    """Commit ids of repositories that the user's HEAD does not name as submodules."""
    before = workspace.head or text(git("hash-object", "-t", "tree", "-w", "--stdin", git_dir=place["git_dir"]))
    fields = records(git("diff-index", "--cached", "--raw", "-z", "--ignore-submodules=none", before, **place))
    pairs = zip(fields[::2], fields[1::2], strict=True)
    return [path for modes, path in pairs if modes.split()[1] == GITLINK and modes.split()[0] != f":{GITLINK}"]


def _start_index(hub: Hub, workspace: Workspace, index: Path) -> None:
    """A copy of the user's index saves hashing every unchanged file; without one, start from HEAD."""
    if workspace.head is None:
        return
    theirs = workspace.git_path("index")
    split = any(theirs.parent.glob("sharedindex.*"))
    if not theirs.is_file() or split:
        git("read-tree", workspace.head, git_dir=hub.path, index=index)
        return
    # With its time: git compares it with the files' times to know which it must read again.
    shutil.copy2(theirs, index)
    # What is staged may be an object that only the user's repository has: hash those files anew.
    place = Place(git_dir=hub.path, work_tree=Path(workspace.path), index=index)
    staged = git("diff-index", "--cached", "--name-only", "-z", workspace.head, **place)
    if records(staged):
        git("update-index", "--force-remove", "-z", "--stdin", **place, stdin=staged)
