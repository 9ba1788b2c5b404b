"""Submodules: in the hub their files stand in the tree of the repository that holds them.

So a change in one is saved, merged and checked like any other, across the border too. A *flat* commit is one whose
tree holds the files. On the way out, to an agent's own git or to the user, each flat commit becomes one with pointers
again (`lowered`), and what changed in a submodule a commit of that submodule's.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath

from activities.git.command import GITLINK, differences, git, records, run_git, text
from activities.git.hub import Hub
from activities.git.submodules.gitmodules import MODULES, container_of, declared_in, within
from activities.git.submodules.picked import TRAILER, Picked, Step, picked, way
from activities.git.workspace import Workspace
from activities.system.directories import is_without_links
from epw.core.naming import slug

_MAX_KNOWN = 1024
_FLAT = "epw: with the files of its submodules"
_UNCOMMITTED = "epw: the submodules at the start, with uncommitted changes"
TREE = "040000"
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
            tree = with_entry(hub, tree, path, f"{TREE} tree {hub.tree_of(commit)}")
            modules.append(Module(path, commit))
    if not modules:
        return base
    message = f"{_FLAT}\n\n{json.dumps([[each.path, each.commit] for each in modules])}\n"
    return hub.commit(tree, list(dict.fromkeys([base, *(each.commit for each in modules)])), message, None, at)


def modules_of(hub: Hub, base: str) -> tuple[Module, ...]:
    """The submodules whose files are in a base's tree."""
    return _modules_of(hub.path, base)


@lru_cache(maxsize=4096)
def _modules_of(hub: Path, base: str) -> tuple[Module, ...]:
    words = text(git("show", "--no-patch", "--format=%B", base, git_dir=hub))
    return tuple(Module(*each) for each in json.loads(words.split("\n")[2])) if words.startswith(_FLAT) else ()


@dataclass(frozen=True)
class Lowered:
    """A flat commit with pointers in place of its submodules' files; `pointers`: where those are, and what they lead
    to, by path, those within others too."""

    commit: str
    pointers: Mapping[str, str]


class Submodules:
    """Those of an execution that started from `base`; `ref` names a ref for what is made."""

    def __init__(self, hub: Hub, base: str, ref: Callable[..., str]) -> None:
        self._hub = hub
        self._base = base
        self._ref = ref

    @cached_property
    def start(self) -> Lowered:
        """What the base was made of, with pointers to what its submodules held."""
        return self._started(self._base)

    def lowered(self, commit: str) -> Lowered:
        """The commit with pointers; itself where it has no submodules' files."""
        known = {self._base: self.start}
        for step in way(self._hub, self._base, commit):
            if step.subject == _FLAT:
                # The start of an execution whose changes are taken over.
                known[step.commit] = self._started(step.commit)
                continue
            before = [known.get(parent) or Lowered(parent, {}) for parent in step.parents]
            may: dict[str, list[str]] = {}
            for path, pointer in (each for parent in before for each in parent.pointers.items()):
                may.setdefault(path, []).append(pointer)
            may |= {path: [each.commit] for path, each in picked(self._hub, step.record).items()}
            if may or [each.commit for each in before] != list(step.parents):
                known[step.commit] = self._made_before(step, may) or self._made(step, before, may)
        return known.get(commit) or Lowered(commit, {})

    def paths_at_start(self, lowered: Lowered) -> dict[str, str | None]:
        """By path: where each submodule was at the start, by its name; None for one that has been added since."""
        known = {name: path for path, name in self.names(self.start).items()}
        return {path: known.get(name) for path, name in self.names(lowered).items()}

    def handed_over(self, lowered: Lowered, workspace: Workspace) -> list[tuple[Workspace, str]]:
        """What the user's repositories of submodules have to get: which, and the commit."""
        start = self.start.pointers.values()
        homes = self.homes(lowered, workspace)
        return [(home, each) for home, each in homes if each not in start or not self._leads(home.head, each)]

    def homes(self, lowered: Lowered, workspace: Workspace) -> list[tuple[Workspace, str]]:
        """The user's repositories of submodules, and the commits that these are at."""
        known = self.paths_at_start(lowered).items()
        return [(workspace.modules[at_start], lowered.pointers[path]) for path, at_start in known if at_start]

    def set_by_agents(self, commit: str) -> list[Picked]:
        """The commits that agents have set submodules to, on the way to this one."""
        steps = way(self._hub, self._base, commit)
        return [each for step in steps for each in picked(self._hub, step.record).values()]

    def keep_records(self, commit: str) -> None:
        """Keep by refs of this execution what leads to a commit of another one."""
        for step in way(self._hub, self._base, commit):
            if picked(self._hub, step.record):
                self._hub.update_ref(self.ref_of(step.record), step.record)

    def ref_of(self, commit: str) -> str:
        """What keeps a submodule's commit, or a record of some."""
        return self._ref("submodules", commit)

    def _leads(self, head: str | None, commit: str) -> bool:
        argv = ("merge-base", "--is-ancestor", commit, head or "")
        return run_git(*argv, git_dir=self._hub.path, codes=(0, 1, 128)).returncode == 0

    def names(self, lowered: Lowered) -> dict[str, tuple[str, ...]]:
        """By path: the names of a submodule and of those that it lies in, outermost first."""
        found: dict[str, tuple[str, ...]] = {}
        for path in sorted(lowered.pointers):
            container = container_of(path, found)
            known = declared_in(self._hub, lowered.pointers.get(container) or lowered.commit) or {}
            inner = within(path, container)
            found[path] = (*found.get(container, ()), known[inner].name if inner in known else inner)
        return found

    def _started(self, base: str) -> Lowered:
        modules, found = modules_of(self._hub, base), dict[str, str]()
        if not modules:
            return Lowered(base, {})
        made_of = text(git("rev-parse", f"{base}^1", git_dir=self._hub.path))
        tree = self._hub.tree_of(made_of)
        for module in modules:
            inner = self._started(module.commit)
            found[module.path] = inner.commit
            found |= {f"{module.path}/{path}": commit for path, commit in inner.pointers.items()}
            tree = with_entry(self._hub, tree, module.path, f"{GITLINK} commit {inner.commit}")
        is_same = tree == self._hub.tree_of(made_of)
        return Lowered(made_of if is_same else self._commit(tree, [made_of], base, _UNCOMMITTED), found)

    def _made_before(self, step: Step, may: Iterable[str]) -> Lowered | None:
        commit = self._hub.resolve(self._ref("lowered", step.commit))
        found: dict[str, str] = {}
        for path in sorted(may) if commit else ():
            container = container_of(path, found)
            pointer = entry_at(self._hub, found.get(container) or commit or "", within(path, container))
            if pointer is not None and pointer[0] == GITLINK:
                found[path] = pointer[1]
        return Lowered(commit, found) if commit else None

    def _made(self, step: Step, before: Sequence[Lowered], may: Mapping[str, Sequence[str]]) -> Lowered:
        flat = tree = self._hub.tree_of(step.commit)
        found: dict[str, str] = {}
        # The innermost first: what they lie in has pointers to them.
        for path in sorted(may, key=lambda each: each.count("/"), reverse=True):
            files = entry_at(self._hub, tree, path)
            if files is not None and files[0] == TREE and self._is_declared(flat, path, may):
                found[path] = self._pointer(files[1], list(dict.fromkeys(may[path])), path, step.commit)
                self._hub.update_ref(self.ref_of(found[path]), found[path])
                tree = with_entry(self._hub, tree, path, f"{GITLINK} commit {found[path]}")
        parents = [each.commit for each in before]
        is_same = tree == flat and parents == list(step.parents)
        commit = step.commit if is_same else self._commit(tree, parents, step.commit)
        self._hub.update_ref(self._ref("lowered", step.commit), commit)
        return Lowered(commit, found)

    def _pointer(self, tree: str, own: list[str], path: str, like: str) -> str:
        """A commit of a submodule with this tree: one that is there already, or a new one on those."""
        origin = self.start.pointers.get(path)
        same = [each for each in (*own, origin) if each and self._hub.tree_of(each) == tree]
        # Where one of two sides has set it to another commit with the same files, that one.
        same.sort(key=lambda each: each == origin)
        return same[0] if same else self._commit(tree, own, like)

    def _is_declared(self, flat: str, path: str, among: Collection[str]) -> bool:
        """Whether a path is still a submodule: where `.gitmodules` does not name it any more, its files are plain."""
        return self._is_named(flat, path, among) or (
            path in self.start.pointers and not self._is_named(self._base, path, self.start.pointers)
        )

    def _is_named(self, flat: str, path: str, among: Collection[str]) -> bool:
        container = container_of(path, among)
        while container and not self._is_named(flat, container, among):
            container = container_of(container, among)
        known = declared_in(self._hub, flat, container)
        return known is None or within(path, container) in known

    def _commit(self, tree: str, parents: Sequence[str], like: str, instead: str | None = None) -> str:
        """A commit with another one's author, times and words (or `instead`): made twice, it is the same one."""
        shown = git("show", "--no-patch", "--date=raw", f"--format={_META}", like, git_dir=self._hub.path)
        *who, words = shown.decode("utf-8", "surrogateescape").split("\0", len(_WHO))
        words = "".join(line for line in words.splitlines(keepends=True) if not line.startswith(f"{TRAILER}: "))
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


_known_pointers: OrderedDict[tuple[Path, str], dict[str, str]] = OrderedDict()


def pointers(hub: Hub, commit: str) -> tuple[tuple[str, str], ...]:
    """Paths of submodules, and the commits that they point to."""
    found = _known_pointers.get((hub.path, commit))
    if found is None:
        # Of a head what differs from the one before it: a whole tree of many files takes its time.
        named = git("rev-parse", "--verify", "--quiet", f"{commit}^1", git_dir=hub.path, codes=(0, 1, 128))
        before = _known_pointers.get((hub.path, text(named)))
        found = _listed_pointers(hub, commit) if before is None else _changed_pointers(hub, text(named), commit, before)
        _known_pointers[hub.path, commit] = found
        if len(_known_pointers) > _MAX_KNOWN:
            _known_pointers.popitem(last=False)
    return tuple(sorted(found.items()))


def _listed_pointers(hub: Hub, commit: str) -> dict[str, str]:
    listed = records(git("ls-tree", "-r", "-z", commit, git_dir=hub.path))
    entries = (entry.split("\t", 1) for entry in listed if entry.startswith(f"{GITLINK} "))
    return {path: entry.split(" ")[2] for entry, path in entries}


def _changed_pointers(hub: Hub, before: str, commit: str, known: Mapping[str, str]) -> dict[str, str]:
    answer = git("diff-tree", "-r", "--no-renames", "--raw", "-z", before, commit, git_dir=hub.path)
    found = dict(known)
    for each in differences(answer):
        found.pop(each.path, None)
        if each.mode == GITLINK:
            found[each.path] = each.new
    return found


def git_dir_for(hub: Hub, attributes: str) -> Path:
    """The hub's objects by a submodule's own rules: a git directory with these attributes, and none of the hub's."""
    made = hub.path / "modules" / slug(attributes)
    if not made.is_dir():
        made.parent.mkdir(mode=0o700, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=made.parent) as scratch:
            view = Path(scratch, "view")
            for folder in ("refs", "info"):
                (view / folder).mkdir(mode=0o700, parents=True)
            (view / "HEAD").write_text("ref: refs/heads/main\n")
            (view / "config").write_text("[core]\n\trepositoryformatversion = 0\n\tbare = true\n")
            (view / "info/attributes").write_text(attributes)
            (view / "objects").symlink_to(hub.path / "objects")
            # Several may make it at once: the first rename wins.
            with contextlib.suppress(OSError):
                view.rename(made)
    return made


def entry_at(hub: Hub, tree: str, path: str) -> tuple[str, str] | None:
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


def with_entry(hub: Hub, tree: str, path: str, entry: str | None) -> str:
    """A tree with this entry (mode, kind and name) at a path; None: with nothing there."""
    made = tree
    for part in [PurePosixPath(path), *PurePosixPath(path).parents][:-1]:
        folder = "" if str(part.parent) == "." else str(part.parent)
        lines = [line for line in _listed(hub, f"{tree}:{folder}") if line.partition("\t")[2] != part.name]
        lines += [f"{entry}\t{part.name}"] if entry is not None else []
        content = "".join(f"{line}\0" for line in lines)
        made = text(git("mktree", "-z", "--missing", git_dir=hub.path, stdin=os.fsencode(content)))
        entry = f"{TREE} tree {made}" if lines else None
    return made
