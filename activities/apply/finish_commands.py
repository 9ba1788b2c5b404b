"""Commands that a delivery leaves to the user: they complete it after submodules were added, removed or moved."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from activities.apply.plan import PathChange, difference
from activities.git.command import GITLINK, display_path
from activities.git.hub import Hub
from activities.git.submodules.gitmodules import MODULES, container_of, within
from activities.git.submodules.submodules import Lowered
from activities.state.execution_store import ExecutionStore
from epw.core.errors import GitError

_MAX_EXCLUDED = 100
_PLAIN_PATCH = ("--no-renames", "--no-ext-diff", "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/")
"""Options that override the user's own settings for differences."""


def of_branch(execution: ExecutionStore, hub: Hub, head: str, branch: str) -> list[str]:
    """Commands that bring commits from the hub for added submodules whose commit no remote has."""
    submodules, root = execution.submodules(hub), Path(execution.workspace().path)
    lowered = submodules.lowered(head)
    public = {each.commit for each in submodules.set_by_agents(head) if each.is_public}
    found = []
    for path, at_start in submodules.paths_at_start(lowered).items():
        commit = lowered.pointers[path]
        if at_start is None and commit not in public:
            container = container_of(path, lowered.pointers)
            update = ["-C", str(root / container), "submodule", "--quiet", "update", "--init"]
            inner = within(path, container)
            switch = _git("-C", str(root), "switch", "--quiet", branch)
            fetch = _git("-C", str(root / path), "fetch", "--quiet", str(hub.path), submodules.ref_of(commit))
            # The first update creates the repository and does not find the commit.
            made = f"{{ {_git(*update, '--', inner)} || {fetch}; }}"
            found.append(f"{switch} && {made} && {_git(*update, '--', inner)}")
    return found


def of_tree(execution: ExecutionStore, hub: Hub, head: str) -> list[str]:
    """Commands that update the index for submodules that were added, removed, moved or set to another commit.

    A delivery into the work tree changes files, and no index or repository.
    """
    submodules, root = execution.submodules(hub), Path(execution.workspace().path)
    lowered, before = submodules.lowered(head), submodules.start.pointers
    paths_at_start = submodules.paths_at_start(lowered)
    moved = {old: path for path, old in paths_at_start.items() if old is not None and old != path}
    chosen = {each.commit for each in submodules.set_by_agents(head)}
    found = []
    for path in before:
        container = container_of(path, before)
        if path not in lowered.pointers and (not container or container in lowered.pointers):
            beneath = [each for each in before if each == path or each.startswith(f"{path}/")]
            settled = [step for each in beneath for step in _repository_steps(root, each, moved.get(each))]
            steps = [_git("-C", str(root / container), "update-index", "--force-remove", "--", within(path, container))]
            steps += [*settled, shlex.join(["find", str(root / path), "-depth", "-type", "d", "-empty", "-delete"])]
            new = moved.get(path)
            outer = container_of(new, lowered.pointers) if new else ""
            steps += [_git("-C", str(root / outer), "add", "--", MODULES, within(new, outer))] if new else []
            found.append(" && ".join(steps))
    for path, commit in lowered.pointers.items():
        fetch = _git("-C", str(root / path), "fetch", "--quiet", str(hub.path), submodules.ref_of(commit))
        reset = _git("-C", str(root / path), "reset", "--quiet", commit)
        if paths_at_start[path] is None:
            outer = container_of(path, lowered.pointers)
            made = _git("init", "--quiet", "--separate-git-dir", str(_new_git_dir(execution, lowered, hub, path)))
            add = _git("-C", str(root / outer), "add", "--", MODULES, within(path, outer))
            found.append(" && ".join([f"{made} {shlex.quote(str(root / path))}", fetch, reset, add]))
        elif commit in chosen and before.get(paths_at_start[path] or "") != commit:
            found.append(f"{fetch} && {reset}")
    return found


def of_refused_tree(hub: Hub, base: str, head: str, root: Path) -> list[str]:
    """Commands that apply by hand what can be applied without loss, and that show the rest.

    Hunks that fit change the work tree, others are written to .rej files; HEAD and index stay as they are.
    """
    try:
        changes = difference(hub, base, head)
    except GitError:
        changes = []
    excluded = _excluded(changes, root)
    if len(excluded) > _MAX_EXCLUDED:
        excluded = [""]
    patch = _git("--git-dir", str(hub.path), "diff", "--binary", *_PLAIN_PATCH, base, head)
    if "" in excluded:
        return [patch]
    out = f" -- {shlex.join(f':(exclude,literal){path}' for path in excluded)}" if excluded else ""
    apply = f"{patch}{out} | (cd {shlex.quote(str(root))} && git apply --reject --whitespace=nowarn)"
    shows = _git("--git-dir", str(hub.path), "diff", base, head, "--", *(f":(literal){path}" for path in excluded))
    is_all = bool(excluded) and all(_is_within(each.path, excluded) for each in changes)
    return [*([] if is_all else [apply]), *([shows] if excluded else [])]


def _excluded(changes: Sequence[PathChange], root: Path) -> list[str]:
    """Paths for which `git apply --reject` would stop half-way or overwrite files; an empty path stands for all.

    If a file, a link and a directory replace each other, it writes the new one though it has refused to remove the
    old one: these are excluded whatever is there now, since that may change before the command is used.
    """
    new = {each.path for each in changes if each.old_mode is None}
    gone = {each.path for each in changes if each.new_mode is None}
    found = set()
    for each in changes:
        place, above = root / each.path, [str(parent) for parent in PurePosixPath(each.path).parents][:-1]
        opposite = gone if each.path in new else new if each.path in gone else set()
        found.update(opposite.intersection(above))
        old, now = each.old_mode or "", each.new_mode or ""
        is_retyped = bool(old and now) and old[:2] != now[:2]
        if is_retyped or GITLINK in (old, now) or os.path.lexists(f"{place}.rej"):
            found.add(each.path)
        if each.path in new:
            blocked = (path for path in above if os.path.lexists(root / path) and not _is_directory(root / path))
            found.update([*blocked, *([each.path] if os.path.lexists(place) else [])])
    return sorted({_encodable(path) for path in found})


def _is_directory(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _is_within(path: str, of: Sequence[str]) -> bool:
    return any(path == each or path.startswith(f"{each}/") for each in of)


def _encodable(path: str) -> str:
    """The path, or the folder of it that a document can hold."""
    while display_path(path) != path:
        path = os.path.dirname(path)
    return path


def _repository_steps(root: Path, path: str, to: str | None) -> list[str]:
    """Commands for the repository of a submodule that is no longer at its path: moved to `to`, or removed."""
    place = root / path / ".git"
    if place.is_dir():
        return [shlex.join(["mv", str(place), str(root / to / ".git")])] if to else []
    if not place.is_file() or to is None:
        return [shlex.join(["rm", "-f", str(place)])]
    git_file = place.read_text(errors="surrogateescape").removeprefix("gitdir:").strip()
    git_dir = os.path.normpath(place.parent / git_file)
    return [
        f"echo {shlex.quote(f'gitdir: {git_dir}')} > {shlex.quote(str(root / to / '.git'))}",
        _git("--git-dir", git_dir, "config", "core.worktree", str(root / to)),
        shlex.join(["rm", "-f", str(place)]),
    ]


def _new_git_dir(execution: ExecutionStore, lowered: Lowered, hub: Hub, path: str) -> Path:
    """Place at which the user's git keeps the repository of a submodule; its name determines it."""
    names = execution.submodules(hub).names(lowered)[path]
    return execution.workspace().git_path("modules/" + "/modules/".join(names))


def _git(*arguments: str) -> str:
    return shlex.join(["git", *arguments])
