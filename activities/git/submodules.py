"""Submodules: in the hub their files stand in the tree of the repository that holds them.

So a change in one is saved, merged and checked like any other, across the border too. A *flat* commit is one whose
tree holds the files. On the way out, to an agent's own git or to the user, each flat commit becomes one with pointers
again (`lowered`), and what changed in a submodule a commit of that submodule's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from activities.directories import is_without_links
from activities.git.command import GITLINK, git, records, run_git, text
from activities.git.hub import Hub
from activities.git.workspace import Workspace
from workflows.naming import slug

MODULES = ".gitmodules"
_FLAT = "epw: with the files of its submodules"
_UNCOMMITTED = "epw: the submodules at the start, with uncommitted changes"
_TREE = "040000"
_META = "%an%x00%ae%x00%ad%x00%cn%x00%ce%x00%cd%x00%B"
_WHO = ("AUTHOR_NAME", "AUTHOR_EMAIL", "AUTHOR_DATE", "COMMITTER_NAME", "COMMITTER_EMAIL", "COMMITTER_DATE")


@dataclass(frozen=True)
class Module:
    """A submodule whose files are in a flat commit's tree; `commit`: of its own, where it started."""

    path: str
    commit: str


def flattened(
    hub: Hub, workspace: Workspace, base: str, at: int, taken: Callable[[Workspace, str, str], str | None]
) -> str:
    """The base with the files of its initialised submodules, as they are; itself where it has none.

    `taken`: the commit of a submodule's work tree, given its path in the workspace and what points to it.
    """
    tree, modules = hub.tree_of(base), list[Module]()
    if workspace.bare or not run_git("ls-tree", base, MODULES, git_dir=hub.path).stdout:
        return base
    for path, pointer in pointers(hub, base):
        folder = Path(workspace.path, path)
        # Where there is no repository the user's own checkout has no files either.
        if not (folder / ".git").exists() or not is_without_links(Path(workspace.path), path):
            continue
        commit = taken(Workspace.read(str(folder)), path, pointer)
        if commit is not None:
            tree = _with_entry(hub, tree, path, f"{_TREE} tree {hub.tree_of(commit)}")
            modules.append(Module(path, commit))
    if not modules:
        return base
    message = f"{_FLAT}\n\n{json.dumps([each.path for each in modules])}\n"
    return hub.commit(tree, [base, *(each.commit for each in modules)], message, None, at)


def modules_of(hub: Hub, base: str) -> tuple[Module, ...]:
    """The submodules whose files are in a base's tree."""
    return _modules_of(hub.path, base)


@lru_cache(maxsize=4096)
def _modules_of(hub: Path, base: str) -> tuple[Module, ...]:
    said = text(git("show", "--no-patch", "--format=%P%n%B", base, git_dir=hub))
    parents, _, words = said.partition("\n")
    if not words.startswith(_FLAT):
        return ()
    paths = json.loads(words.split("\n")[2])
    return tuple(Module(path, commit) for path, commit in zip(paths, parents.split()[1:], strict=True))


class Submodules:
    """Those of an execution that started from `base`; `ref` names a ref for what is made."""

    def __init__(self, hub: Hub, base: str, ref: Callable[[str, str], str]) -> None:
        self._hub = hub
        self._base = base
        self._ref = ref
        self.modules = modules_of(hub, base)

    def lowered(self, commit: str) -> str:
        """The commit with pointers in place of the submodules' files; itself where there are none."""
        if not self.modules:
            return commit
        known = {self._base: self._origin(self._base)}
        order = ("rev-list", "--topo-order", "--reverse", "--parents", f"{self._base}..{commit}")
        for line in text(git(*order, git_dir=self._hub.path)).splitlines():
            each, *parents = line.split(" ")
            if modules_of(self._hub, each):
                # The start of an execution whose changes are taken over.
                known[each] = self._origin(each)
                continue
            reference = self._ref("lowered", each)
            made = self._hub.resolve(reference)
            if made is None:
                before = [known.get(parent, parent) for parent in parents]
                tree = self._lowered_tree(self._hub.tree_of(each), self.modules, before, each)
                made = self._commit(tree, before, each)
                self._hub.update_ref(reference, made)
            known[each] = made
        return known.get(commit, commit)

    def pointers(self, lowered: str) -> dict[str, str]:
        """Where the submodules of a lowered commit are, those within others too: path → commit."""
        found: dict[str, str] = {}
        waiting = [("", lowered, self.modules)]
        while waiting:
            prefix, commit, modules = waiting.pop()
            for module in modules:
                pointer = _entry(self._hub, commit, module.path)
                if pointer is not None and pointer[0] == GITLINK:
                    found[prefix + module.path] = pointer[1]
                    waiting.append((f"{prefix}{module.path}/", pointer[1], modules_of(self._hub, module.commit)))
        return found

    def changed(self, lowered: str) -> dict[str, str]:
        """Of these those that are not where the execution started: what their repositories have to get."""
        before = self.pointers(self._origin(self._base))
        return {path: commit for path, commit in self.pointers(lowered).items() if before.get(path) != commit}

    def _origin(self, base: str) -> str:
        """What a flat commit was made of, with pointers to what its submodules held."""
        modules = modules_of(self._hub, base)
        if not modules:
            return base
        made_of = text(git("rev-parse", f"{base}^1", git_dir=self._hub.path))
        tree = self._hub.tree_of(made_of)
        for module in modules:
            tree = _with_entry(self._hub, tree, module.path, f"{GITLINK} commit {self._origin(module.commit)}")
        return made_of if tree == self._hub.tree_of(made_of) else self._commit(tree, [made_of], base, _UNCOMMITTED)

    def _lowered_tree(self, tree: str, modules: Sequence[Module], before: Sequence[str], like: str) -> str:
        for module in modules:
            files = _entry(self._hub, tree, module.path)
            if files is None or files[0] != _TREE:
                continue
            origin = self._origin(module.commit)
            pointers = [_entry(self._hub, commit, module.path) for commit in before]
            own = list(dict.fromkeys(each[1] for each in pointers if each and each[0] == GITLINK)) or [origin]
            inner = self._lowered_tree(files[1], modules_of(self._hub, module.commit), own, like)
            same = [each for each in (*own, origin) if self._hub.tree_of(each) == inner]
            commit = same[0] if same else self._commit(inner, own, like)
            self._hub.update_ref(self._ref("submodules", commit), commit)
            tree = _with_entry(self._hub, tree, module.path, f"{GITLINK} commit {commit}")
        return tree

    def _commit(self, tree: str, parents: Sequence[str], like: str, instead: str | None = None) -> str:
        """A commit with another one's author, times and words (or `instead`): made twice, it is the same one."""
        shown = git("show", "--no-patch", "--date=raw", f"--format={_META}", like, git_dir=self._hub.path)
        *who, words = shown.decode("utf-8", "surrogateescape").split("\0", len(_WHO))
        arguments = [part for parent in parents for part in ("-p", parent)]
        made = git(
            "commit-tree",
            tree,
            *arguments,
            git_dir=self._hub.path,
            environment={f"GIT_{name}": value for name, value in zip(_WHO, who, strict=True)},
            stdin=(instead or words.rstrip("\n")).encode("utf-8", "surrogateescape") + b"\n",
        )
        return text(made)


def module_ref(ref: str, path: str) -> str:
    """Where the start of a submodule is kept, beside the start of what holds it."""
    return f"{ref}-of/{slug(path)}"


def pointers(hub: Hub, commit: str) -> list[tuple[str, str]]:
    """Paths of submodules, and the commits that they point to."""
    listed = records(git("ls-tree", "-r", "-z", commit, git_dir=hub.path))
    entries = (entry.split("\t", 1) for entry in listed if entry.startswith(f"{GITLINK} "))
    return [(path, entry.split(" ")[2]) for entry, path in entries]


def _entry(hub: Hub, tree: str, path: str) -> tuple[str, str] | None:
    """Mode and name of what stands at a path of a tree or commit."""
    folder, name = os.path.split(path)
    for line in _listed(hub, f"{tree}:{folder}"):
        entry, _, found = line.partition("\t")
        if found == name:
            mode, _, sha = entry.split(" ")
            return mode, sha
    return None


def _listed(hub: Hub, tree: str) -> list[str]:
    done = run_git("ls-tree", "-z", tree, git_dir=hub.path, codes=(0, 128))
    return records(done.stdout) if done.returncode == 0 else []


def _with_entry(hub: Hub, tree: str, path: str, entry: str) -> str:
    """A tree with this entry (mode, kind and name) at a path that it has."""
    for part in [PurePosixPath(path), *PurePosixPath(path).parents][:-1]:
        folder = "" if str(part.parent) == "." else str(part.parent)
        lines = [line for line in _listed(hub, f"{tree}:{folder}") if line.partition("\t")[2] != part.name]
        content = "".join(f"{line}\0" for line in [*lines, f"{entry}\t{part.name}"])
        made = text(git("mktree", "-z", "--missing", git_dir=hub.path, stdin=os.fsencode(content)))
        entry = f"{_TREE} tree {made}"
    return made
