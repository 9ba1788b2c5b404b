"""The base of an execution: the workspace as it is, uncommitted and untracked files included."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from activities.git.command import Place, git, records, text
from activities.git.hub import Hub
from activities.git.workspace import Workspace
from workflows.errors import InvalidPlan, Problem


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
    git("add", "--all", "--", ":/", **place, config=config)
    return text(git("write-tree", **place))


def _start_index(hub: Hub, workspace: Workspace, index: Path) -> None:
    """A copy of the user's index saves hashing every unchanged file; without one, start from HEAD."""
    theirs = workspace.git_path("index")
    split = any(theirs.parent.glob("sharedindex.*"))
    if workspace.head is None:
        return
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
