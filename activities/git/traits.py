"""Traits of a workspace's repository, and what each means for an execution."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from activities.git.command import GITLINK, GitLocation, list_paths, records, text
from activities.git.filters import filter_drivers
from activities.git.filters.large_files import MAX_POINTER_BYTES, Pointer
from activities.git.partial_clone import missing
from activities.git.workspace import Workspace
from activities.system.directories import size_of
from epw.core.amounts import count

_MAX_NAMED = 3
_LARGE_MB = 1000
_OPERATIONS = (
    ("MERGE_HEAD", "a merge", "merge --abort"),
    ("rebase-merge", "a rebase", "rebase --abort"),
    ("rebase-apply", "a rebase, or `git am`", "rebase --abort"),
    ("CHERRY_PICK_HEAD", "a cherry-pick", "cherry-pick --abort"),
    ("REVERT_HEAD", "a revert", "revert --abort"),
    ("BISECT_LOG", "a bisect", "bisect reset"),
)
"""What git keeps while it waits for the user to go on, what that is, and how it is left."""


@dataclass(frozen=True)
class Trait:
    name: str
    found: str
    means: str
    ok: bool = True
    """Whether an execution can start with it as it is."""


def traits(workspace: Workspace) -> Iterator[Trait]:
    """Traits of a workspace, read-only: nothing of the repository is run or changed."""
    if workspace.kind == "directory":
        yield Trait("kind", "a plain directory", "changes are applied in place (`deliver: apply`); no branches")
        return
    at = f"branch {workspace.branch}" if workspace.branch else "no branch (detached HEAD)"
    kind = "bare repository" if workspace.bare else "git repository"
    begins = "no commit yet: the files as they are" if workspace.head is None else "agents' branch has that name"
    yield Trait("kind", f"{kind}, {at}", begins)
    yield from _operation_traits(workspace)
    yield from _clone_traits(workspace)
    if workspace.bare:
        yield Trait("work tree", "none", "only `deliver: branch` and `none`")
        return
    entries = [entry.split("\t", 1) for entry in records(workspace.git("ls-files", "--stage", "-z"))]
    paths = [path for _, path in entries]
    yield from _size_traits(workspace, paths)
    yield from _filter_traits(workspace, paths)
    yield from _submodule_traits(workspace, [path for entry, path in entries if entry.startswith(GITLINK)])
    yield from _other_traits(workspace)
    yield from _name_traits(paths)
    yield from _hook_traits(workspace)


def _operation_traits(workspace: Workspace) -> Iterator[Trait]:
    """An operation of git that waits for the user."""
    for name, what, end in _OPERATIONS:
        if workspace.git_path(name).exists():
            means = f"agents start from the files as they are now: finish it first, or `git {end}`"
            yield Trait("git is in the middle of", what, means, ok=False)


def _clone_traits(workspace: Workspace) -> Iterator[Trait]:
    if workspace.promisor is not None and workspace.head is not None:
        lacks = len(missing(workspace, workspace.head))
        means = f"{lacks} objects are fetched from there at the start" if lacks else "nothing is lacking"
        yield Trait("partial clone", f"of {workspace.promisor}", means)
    if workspace.shallow:
        yield Trait("shallow clone", f"{len(workspace.shallow)} ends", "agents see the history that is there")
    if len(workspace.objects) > 1:
        yield Trait("borrowed objects", _named(workspace.objects[1:]), "our copy has its own")
    common = text(workspace.git("rev-parse", "--git-common-dir"))
    if os.path.realpath(Path(workspace.path, common)) != os.path.realpath(workspace.git_dir):
        yield Trait("linked worktree", f"of {common}", "branches are delivered into the repository that all share")
    if text(workspace.git("config", "--get", "core.sparseCheckout", codes=(0, 1))) == "true":
        yield Trait("sparse checkout", "not all files are here", "agents have all files of the commit")


def _size_traits(workspace: Workspace, paths: list[str]) -> Iterator[Trait]:
    sizes = [file.lstat().st_size for path in paths if os.path.lexists(file := Path(workspace.path, path))]
    megabytes = sum(sizes) / 1e6
    means = "each agent has a copy" if megabytes < _LARGE_MB else "each agent has a copy: mind the disk and `maxAgents`"
    yield Trait("files", f"{len(paths):,} tracked, {megabytes:,.1f} MB", means)
    if workspace.line_ends:
        yield Trait(
            "line ends", ", ".join(workspace.line_ends), "agents have them as you do; stored as git stores them"
        )


def _filter_traits(workspace: Workspace, paths: list[str]) -> Iterator[Trait]:
    place = GitLocation(git_dir=Path(workspace.git_dir), work_tree=Path(workspace.path))
    named = filter_drivers.drivers_of(paths, [f"safe.directory={each}" for each in workspace.safe_directories], **place)
    for name, number in sorted(Counter(named.values()).items()):
        if name not in workspace.filters:
            means = "agents see them encoded, and a task that changes one fails (FilterMissing): configure the filter"
            yield Trait(f"filter {name}", f"{count(number, 'file')}, not configured here", means, ok=False)
        elif name == "lfs" and (absent := _not_fetched(workspace, [path for path in named if named[path] == "lfs"])):
            found = f"{count(number, 'file')}, {absent} not fetched"
            yield Trait("filter lfs", found, "of those agents see pointers, as you do (git lfs pull); decoded others")
        else:
            means = "agents see them decoded; your own driver encodes them"
            yield Trait(f"filter {name}", count(number, "file"), means)


def _not_fetched(workspace: Workspace, paths: list[str]) -> int:
    """Number of these files that are LFS pointers whose objects are not in the local store."""
    files = (Path(workspace.path, path) for path in paths)
    small = (file for file in files if file.is_file() and file.stat().st_size < MAX_POINTER_BYTES)
    pointers = (Pointer.read(file.read_bytes()) for file in small)
    return sum(each is not None and each.object_in(workspace.large_objects) is None for each in pointers)


def _submodule_traits(workspace: Workspace, paths: list[str]) -> Iterator[Trait]:
    there = [path for path in paths if Path(workspace.path, path, ".git").exists()]
    if there:
        means = "agents have their files; what changes in one becomes a commit in its repository, branch epw/<id>"
        yield Trait("submodules", _named(there), means)
    if absent := [path for path in paths if path not in there]:
        means = "empty for agents too; a task that writes there fails: git submodule update --init"
        yield Trait("submodules without files", _named(absent), means, ok=False)


def _other_traits(workspace: Workspace) -> Iterator[Trait]:
    listed = records(workspace.git("ls-files", "--others", "--exclude-standard", "--directory", "-z"))
    nested = [path for path in listed if Path(workspace.path, path, ".git").exists()]
    if workspace.left_out:
        means = "left out: add them to .gitignore; agents that need them: `include`; if they are no secrets: `git add`"
        yield Trait("untracked secrets", _named(workspace.left_out), means)
    others = [path for path in workspace.file_names(tracked=False) if path not in workspace.left_out]
    if untracked := [path for path in listed if path not in nested and any(each.startswith(path) for each in others)]:
        yield Trait("untracked", _named(untracked), "part of what agents start from")
    if nested:
        yield Trait("nested repositories", _named(nested), "agents do not have them: make them submodules")
    ignored = records(workspace.git("ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z"))
    if ignored:
        size = sum(size_of(Path(workspace.path, path)) for path in ignored) / 1e6
        means = "agents do not have it: name what they need in `include`, or make it in `setup`"
        yield Trait("ignored", f"{_named(ignored)}, {size:,.1f} MB", means)


def _name_traits(paths: list[str]) -> Iterator[Trait]:
    alike = Counter(unicodedata.normalize("NFC", path).casefold() for path in paths)
    if twins := [path for path in paths if alike[unicodedata.normalize("NFC", path).casefold()] > 1]:
        yield Trait("names alike", _named(twins), "one file where a disk ignores case and form", ok=False)


def _hook_traits(workspace: Workspace) -> Iterator[Trait]:
    common = Path(workspace.path, text(workspace.git("rev-parse", "--git-common-dir")))
    # By file: for our own git hooks are off.
    argv = ("config", "--file", str(common / "config"), "--get", "core.hooksPath")
    named = text(workspace.git(*argv, codes=(0, 1)))
    folder = Path(workspace.path, os.path.expanduser(named)) if named else common / "hooks"
    hooks = sorted(each.name for each in folder.glob("*") if each.suffix != ".sample" and os.access(each, os.X_OK))
    if hooks:
        yield Trait("hooks", _named(hooks), "not run by us: have `setup` install them for agents, `verify` check")


def _named(paths: list[str]) -> str:
    return list_paths(paths, _MAX_NAMED)
