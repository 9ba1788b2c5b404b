"""Plan of a delivery: the paths to change in a work tree, checked against the files on the disk."""

from __future__ import annotations

import errno
import os
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from activities.apply.atomic_rename import Identity, beneath
from activities.git.command import ABSENT_MODE, GITLINK, GitLocation, list_paths
from activities.git.filters import filter_drivers
from activities.git.hub import Hub
from activities.git.merge import merge
from activities.git.scratch_index import changed_on_disk, check_out_files
from activities.git.snapshot import snapshot
from activities.git.submodules.flat import git_dir_for
from activities.git.submodules.gitmodules import container_of, within
from activities.git.workspace import Workspace
from activities.system.directories import walk
from epw.core.errors import InvalidPlan, Refused
from epw.core.execution.delivery import MOVED_ON


@dataclass(frozen=True)
class PathChange:
    """One differing path in git's terms; a mode of None: not there."""

    path: str
    old_mode: str | None
    old_blob: str
    new_mode: str | None
    new_blob: str


@dataclass(frozen=True)
class Target:
    """Tree that the workspace is to have, and the changes that lead there from its present state."""

    tree: str
    changes: list[PathChange]


Review = Callable[[str, str, str], None]
"""Given both sides of a merge, the workspace first, and the merged tree; raises where it is not to be delivered."""


def find_target(
    hub: Hub,
    workspace: Workspace,
    base: str,
    head: str,
    ref: str,
    excludes: str,
    review: Review = lambda ours, theirs, tree: None,
) -> Target:
    """The target of delivering `base` → `head` into the workspace as it is now.

    If the user has changed the workspace, the change is merged onto that; raises `Refused` if it conflicts.
    """
    try:
        present = Workspace.read(workspace.path)
    except InvalidPlan as error:
        raise Refused(str(error)) from None
    if present.kind != workspace.kind:
        raise Refused(f"{workspace.path} was a {workspace.kind} workspace at the start, and is a {present.kind} now")
    now = snapshot(hub, present.model_copy(update={"excludes": excludes}), ref, 0, False, base)
    if hub.tree_of(now) == hub.tree_of(base):
        tree = hub.tree_of(head)
    else:
        sides = hub.siblings(base, now, head)
        merged = merge(hub, *sides)
        if not merged.clean:
            raise Refused(f"{MOVED_ON}, and the changes conflict: {list_paths(merged.paths)}")
        tree = merged.tree
        review(*sides, tree)
    changes = difference(hub, hub.tree_of(now), tree)
    modules = [each.path for each in changes if GITLINK in (each.old_mode, each.new_mode)]
    if modules:
        raise Refused(f"submodules are not changed in a work tree: {list_paths(modules)}")
    if unseen := _skipped_deletions(workspace, changes):
        wider = f"git -C {shlex.quote(workspace.path)} sparse-checkout disable"
        raise Refused(
            f"deleted, and outside the sparse checkout, where git sees no deletion: {list_paths(unseen)}; {wider}"
        )
    return Target(tree, changes)


def identities(root: int, changes: list[PathChange]) -> list[Identity | None]:
    """Identity of the file at each path now, in the order of the changes; None for no file."""
    found = []
    for change in changes:
        with beneath(root, change.path) as name:
            found.append(name.identity() if name else None)
    return found


def differing(hub: Hub, workspace: Workspace, changes: list[PathChange]) -> list[str]:
    """Paths whose content on the disk is not the old one, whatever the user's index claims."""
    found = []
    with tempfile.TemporaryDirectory(dir=hub.path, prefix="check-") as scratch:
        for part in _parts(hub, workspace, changes, Path(scratch)):
            root = Path(workspace.path, part.path)
            if root.is_dir():
                found += [os.path.join(part.path, path) for path in _changed_in(part, root)]
    return found


def _changed_in(part: _Part, root: Path) -> list[str]:
    place = GitLocation(**part.place, work_tree=root)
    old = {path: (each.old_mode, each.old_blob) for path, each in part.changes.items() if each.old_mode}
    listed = changed_on_disk(old, part.config, **place)
    if not listed or not part.workspace.filters:
        return listed
    filtered = filter_drivers.drivers_of(listed, part.config, **place)
    return [
        path
        for path in listed
        if path not in filtered or not filter_drivers.is_as_before(old[path][1], path, part.config, **place)
    ]


def obstacles(root: Path, changes: list[PathChange], present: list[Identity | None]) -> list[str]:
    """Paths that block the changes and must not be removed: ignored files, and directories that hold some."""
    known = {change.path for change in changes if change.old_mode}
    found = []
    for change, identity in zip(changes, present, strict=True):
        if change.new_mode is None:
            continue
        for parent in PurePosixPath(change.path).parents:
            here = root / parent
            if here.is_symlink() or (here.exists() and not here.is_dir()):
                found += [str(parent)] if str(parent) not in known else []
        if identity is not None and identity.is_directory:
            found += [file for file in _files_in(root, change.path) if file not in known]
        elif identity is not None and change.old_mode is None:
            found.append(change.path)
    return list(dict.fromkeys(found))


def stage(hub: Hub, workspace: Workspace, target: Target, folder: Path) -> None:
    """Write the new files of a target beneath a folder, as the user's own git would; raises `OSError`."""
    needed = sum(hub.sizes([each.new_blob for each in target.changes if each.new_mode]))
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(errno.ENOSPC, f"{needed >> 20} MB are needed, {free >> 20} MB free")
    with tempfile.TemporaryDirectory(dir=hub.path, prefix="stage-") as scratch:
        for part in _parts(hub, workspace, target.changes, Path(scratch)):
            wanted = [path for path, each in part.changes.items() if each.new_mode]
            if wanted:
                place = GitLocation(**part.place, work_tree=folder / part.path)
                (folder / part.path).mkdir(parents=True, exist_ok=True)
                check_out_files(f"{target.tree}:{part.path}", wanted, part.config, **place)


@dataclass(frozen=True)
class _Part:
    """The changes in one repository, by path: in a submodule at `path`, or in the workspace itself (empty)."""

    path: str
    workspace: Workspace
    changes: Mapping[str, PathChange]
    place: GitLocation
    config: list[str]


def _parts(hub: Hub, workspace: Workspace, changes: Sequence[PathChange], scratch: Path) -> Iterator[_Part]:
    """The parts of some changes, each with its own settings and an index in `scratch`."""
    by_path: dict[str, dict[str, PathChange]] = {}
    for each in changes:
        container = container_of(each.path, workspace.modules)
        by_path.setdefault(container, {})[within(each.path, container)] = each
    for number, (path, inner) in enumerate(by_path.items()):
        own, folder = workspace.modules[path] if path else workspace, scratch / str(number)
        folder.mkdir()
        git_dir = git_dir_for(hub, own.info_attributes) if path else hub.path
        yield _Part(path, own, inner, GitLocation(git_dir=git_dir, index=folder / "index"), own.settings_in(folder))


def difference(hub: Hub, before: str, after: str) -> list[PathChange]:
    """The paths that differ between two commits or trees."""
    return [
        PathChange(each.path, _mode(each.old_mode), each.old, _mode(each.mode), each.new)
        for each in hub.diff_files(before, after)
    ]


def _mode(mode: str) -> str | None:
    return None if mode == ABSENT_MODE else mode


def _skipped_deletions(workspace: Workspace, changes: list[PathChange]) -> list[str]:
    """Paths to be deleted that a sparse checkout leaves out of the work tree."""
    root = Path(workspace.path)
    absent = {each.path for each in changes if each.new_mode is None and not os.path.lexists(root / each.path)}
    if not absent or workspace.kind != "git":
        return []
    return sorted(absent & workspace.skipped())


def _files_in(root: Path, path: str) -> list[str]:
    return [os.path.join(path, folder.path, name) for folder in walk(root / path) for name in folder.files]
