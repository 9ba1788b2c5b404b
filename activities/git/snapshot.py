"""Snapshot of a workspace: the base of an execution, with uncommitted and untracked files."""

from __future__ import annotations

import re
import shlex
import shutil
import tempfile
from pathlib import Path

from activities.git import transfer
from activities.git.changes import changed_paths
from activities.git.command import (
    EMPTY_TREE,
    GITLINK,
    GitLocation,
    differences,
    display_path,
    git,
    nul_separated,
    records,
    run_git,
    text,
)
from activities.git.filters import clear_text, filter_drivers
from activities.git.hub import Hub
from activities.git.partial_clone import fetch_missing
from activities.git.quarantine import quarantine, release
from activities.git.submodules.flat import flattened, git_dir_for, module_ref
from activities.git.workspace import Workspace
from epw.core.errors import GitError, InvalidPlan, Problem

SUBJECT = "epw: the workspace at the start, with uncommitted changes"
"""Subject of a base that is not the commit of HEAD."""
_MAX_NESTED = 50
_DAMAGED = (
    *("corrupt", "unable to read", "bad object", "missing"),
    *("inflate", "unable to unpack", "bad tree", "not a valid"),
)
_UNBORN = re.compile(rb"'(.+)' does not have a commit checked out")


def snapshot(
    hub: Hub,
    workspace: Workspace,
    ref: str,
    at: int,
    committed: bool,
    since: str | None = None,
    git_dir: Path | None = None,
) -> str:
    """Store the work tree as it is now as a commit in the hub, kept by `ref`; HEAD's own commit if nothing differs.

    The user's index and repository are only read. `at`: time of a new commit, epoch seconds. `committed`: take only
    what `workspace.head` holds. `since`: an earlier snapshot whose blobs are reused for unchanged encoded files.
    `git_dir`: the git directory of a submodule; None: the hub, which gets the workspace's attributes.
    Raises `InvalidPlan` if the workspace is damaged or a filter fails.
    """
    if git_dir is None:
        _keep_attributes(hub, workspace)
    base = _own_commit(hub, workspace, ref, at, committed, since, git_dir or hub.path)

    def take(module: Workspace, path: str, pointer: str) -> str | None:
        if committed:
            module = module.model_copy(update={"head": pointer})
        own = git_dir_for(hub, module.info_attributes)
        return snapshot(hub, module, module_ref(ref, path), at, committed, git_dir=own) if module.head else None

    flat = flattened(hub, workspace, base, at, take)
    if flat != base:
        hub.update_ref(ref, flat)
    return flat


def uncommitted_files(hub: Hub | None, base: str | None) -> list[str]:
    """Files in which the base differs from the commit that it was made on; none where nobody knows."""
    if hub is None or base is None:
        return []
    try:
        parents, _, subject = text(git("show", "--no-patch", "--format=%P%n%s", base, git_dir=hub.path)).partition("\n")
        before = parents.split(" ")[0] or EMPTY_TREE
        return [display_path(path) for path in changed_paths(hub, before, base)] if subject == SUBJECT else []
    except GitError:
        return []


def _own_commit(
    hub: Hub, workspace: Workspace, ref: str, at: int, committed: bool, since: str | None, git_dir: Path
) -> str:
    """The commit of the repository itself, with pointers to its submodules."""
    head = workspace.head
    if head is not None:
        fetch_missing(workspace, head)
        try:
            transfer.fetch(hub, workspace, head, ref)
        except GitError as error:
            raise _damaged(workspace, error) or error from None
    if head is not None and (committed or workspace.bare):
        return head
    if workspace.bare:
        raise InvalidPlan([Problem("workspace", f"{workspace.path} is a bare repository without commits")])
    with tempfile.TemporaryDirectory(dir=hub.path, prefix="snapshot-") as scratch:
        tree = _tree(hub, workspace, Path(scratch), since, git_dir)
    if head is not None and tree == hub.tree_of(head):
        return head
    parents = [head] if head is not None else []
    base = hub.commit(tree, parents, SUBJECT, workspace, at)
    hub.update_ref(ref, base)
    return base


def _damaged(workspace: Workspace, error: GitError) -> InvalidPlan | None:
    """git's messages about objects that it cannot read, with the command that shows more; None for other errors."""
    if not any(word in error.stderr for word in _DAMAGED):
        return None
    lines = [line for line in error.stderr.replace("\0", " ").splitlines() if any(word in line for word in _DAMAGED)]
    look = f"git -C {shlex.quote(workspace.path)} fsck --full"
    return InvalidPlan([Problem("workspace", f"{workspace.path} is damaged: {' / '.join(lines)[:300]}; look: {look}")])


def _keep_attributes(hub: Hub, workspace: Workspace) -> None:
    """Copy the user's `info/attributes` to the hub's: git prefers them to those of a tree."""
    path = hub.path / "info/attributes"
    if workspace.info_attributes or path.exists():
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_text(workspace.info_attributes)


def _tree(hub: Hub, workspace: Workspace, scratch: Path, since: str | None, git_dir: Path) -> str:
    place = GitLocation(git_dir=git_dir, work_tree=Path(workspace.path), index=scratch / "index")
    if not workspace.is_encoded:
        return _added(hub, workspace, scratch, since, place)
    with quarantine(scratch / "objects") as objects:
        place["objects"] = objects
        tree = _added(hub, workspace, scratch, since, place)
        release(hub, tree, _before(workspace, place), place)
    return tree


def _added(hub: Hub, workspace: Workspace, scratch: Path, since: str | None, place: GitLocation) -> str:
    config = workspace.settings_in(scratch)
    _start_index(hub, workspace, place["index"])
    for _ in range(_MAX_NESTED):
        added = run_git("add", "--all", "--", ":/", **place, config=config, codes=(0, 128))
        if not added.returncode:
            break
        unborn = _UNBORN.search(added.stderr)
        if unborn is None:
            error = GitError(["add"], added.returncode, added.stderr.decode(errors="replace"))
            if message := filter_drivers.failure_message(error):
                raise InvalidPlan([Problem("workspace", message)])
            raise error
        with open(scratch / "exclude", "ab") as file:
            file.write(b"\n/" + re.sub(rb"([*?\[\\])", rb"\\\1", unborn[1]) + b"\n")
    # A nested repository that is not a submodule stays apart: as a bare commit id it would be useless.
    changes = _changes(_before(workspace, place), place)
    nested = [path for path, old, new in changes if new == GITLINK and old != GITLINK]
    failures = clear_text.keep_encoded(_before(workspace, place), changes, config, **place).failures
    if since is not None and workspace.filters and not failures:
        failures = clear_text.keep_encoded(since, _changes(since, place), config, **place).failures
    if failures:
        raise InvalidPlan([Problem("workspace", str(failures[0]))])
    _check_drivers(workspace, config, place)
    if nested:
        git("update-index", "--force-remove", "-z", "--stdin", **place, stdin=nul_separated(nested))
    return text(git("write-tree", **place))


def _check_drivers(workspace: Workspace, config: list[str], place: GitLocation) -> None:
    """Run each driver on one of its files, so that one that fails is reported now."""
    if workspace.head is not None and workspace.filters:
        files = filter_drivers.first_files(workspace.filters, config, **place)
        try:
            filter_drivers.check(workspace.head, files, config, **place)
        except GitError as error:
            if message := filter_drivers.failure_message(error):
                raise InvalidPlan([Problem("workspace", message)]) from None


def _before(workspace: Workspace, place: GitLocation) -> str:
    """The user's HEAD, or the empty tree."""
    return workspace.head or text(git("hash-object", "-t", "tree", "-w", "--stdin", git_dir=place["git_dir"]))


def _changes(before: str, place: GitLocation) -> list[clear_text.Changed]:
    """Paths that differ between a tree and the index."""
    arguments = ("diff-index", "--cached", "--raw", "-z", "--ignore-submodules=none", before)
    return [(each.path, each.old_mode, each.mode) for each in differences(git(*arguments, **place))]


def _start_index(hub: Hub, workspace: Workspace, index: Path) -> None:
    """Start from a copy of the user's index, which saves hashing every unchanged file; without one, from HEAD."""
    if workspace.head is None:
        return
    theirs = workspace.git_path("index")
    split = any(theirs.parent.glob("sharedindex.*"))
    if not theirs.is_file() or split:
        git("read-tree", workspace.head, git_dir=hub.path, index=index)
        return
    # With its time, which git compares with the files' times to know which to read again.
    shutil.copy2(theirs, index)
    # Staged blobs may be in the user's repository only: hash those files again.
    place = GitLocation(git_dir=hub.path, work_tree=Path(workspace.path), index=index)
    staged = git("diff-index", "--cached", "--name-only", "-z", workspace.head, **place)
    if records(staged):
        git("update-index", "--force-remove", "-z", "--stdin", **place, stdin=staged)
