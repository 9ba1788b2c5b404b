"""Flat commits: a base whose tree holds the files of its initialised submodules in place of their pointers."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from activities.git.command import git, run_git, text
from activities.git.hub import Hub
from activities.git.submodules.gitmodules import MODULES
from activities.git.submodules.pointers import TREE, pointers, with_entry
from activities.git.workspace import Workspace
from activities.system.directories import is_without_links
from epw.core.naming import slug

FLAT = "epw: with the files of its submodules"
"""Subject of a flat commit."""


@dataclass(frozen=True)
class Module:
    """A submodule whose files are in a flat commit's tree; `commit`: its own commit at the start."""

    path: str
    commit: str


def flattened(
    hub: Hub, workspace: Workspace, base: str, at: int, take: Callable[[Workspace, str, str], str | None]
) -> str:
    """The base with the files of its initialised submodules as they are now; the base itself if it has none.

    `take`: returns the commit of a submodule's work tree, given its path in the workspace and its pointer.
    """
    tree, modules = hub.tree_of(base), list[Module]()
    if workspace.bare or not run_git("ls-tree", base, MODULES, git_dir=hub.path).stdout:
        return base
    for path, pointer in pointers(hub, base):
        folder = Path(workspace.path, path)
        # Without a repository, the user's own checkout has no files either.
        if not (folder / ".git").exists() or not is_without_links(Path(workspace.path), path):
            continue
        commit = take(Workspace.read(str(folder)), path, pointer)
        if commit is not None:
            tree = with_entry(hub, tree, path, f"{TREE} tree {hub.tree_of(commit)}")
            modules.append(Module(path, commit))
    if not modules:
        return base
    message = f"{FLAT}\n\n{json.dumps([[each.path, each.commit] for each in modules])}\n"
    return hub.commit(tree, list(dict.fromkeys([base, *(each.commit for each in modules)])), message, None, at)


def modules_of(hub: Hub, base: str) -> tuple[Module, ...]:
    """The submodules whose files are in a base's tree."""
    return _modules_of(hub.path, base)


@lru_cache(maxsize=4096)
def _modules_of(hub: Path, base: str) -> tuple[Module, ...]:
    words = text(git("show", "--no-patch", "--format=%B", base, git_dir=hub))
    return tuple(Module(*each) for each in json.loads(words.split("\n")[2])) if words.startswith(FLAT) else ()


def module_ref(ref: str, path: str) -> str:
    """Ref that keeps the start of a submodule, beside the ref of the repository that holds it."""
    return f"{ref}-of/{slug(path)}"


def git_dir_for(hub: Hub, attributes: str) -> Path:
    """A git directory with the hub's objects and a submodule's own `info/attributes`, created if missing."""
    created = hub.path / "modules" / slug(attributes)
    if not created.is_dir():
        created.parent.mkdir(mode=0o700, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=created.parent) as scratch:
            view = Path(scratch, "view")
            for folder in ("refs", "info"):
                (view / folder).mkdir(mode=0o700, parents=True)
            (view / "HEAD").write_text("ref: refs/heads/main\n")
            (view / "config").write_text("[core]\n\trepositoryformatversion = 0\n\tbare = true\n")
            (view / "info/attributes").write_text(attributes)
            (view / "objects").symlink_to(hub.path / "objects")
            # Several processes may do this at once: the first rename wins.
            with contextlib.suppress(OSError):
                view.rename(created)
    return created
