"""Submodules of an execution: flat commits are converted back to commits with pointers.

In the hub the files of submodules are part of the tree of the repository that holds them, so that a change in one is
saved, merged and checked like any other. A *flat* commit is one whose tree holds these files. For an agent's own git
and for the user, each flat commit is *lowered* to one with pointers, and what changed in a submodule becomes a commit
of that submodule.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from activities.git.command import GITLINK, git, text
from activities.git.hub import Hub
from activities.git.submodules.agent_pointers import TRAILER, AgentPointer, Step, read_record, steps_between
from activities.git.submodules.flat import FLAT, modules_of
from activities.git.submodules.gitmodules import container_of, declared_in, within
from activities.git.submodules.pointers import TREE, entry_at, with_entry
from activities.git.workspace import Workspace

_UNCOMMITTED = "epw: the submodules at the start, with uncommitted changes"
_METADATA = "%an%x00%ae%x00%ad%x00%cn%x00%ce%x00%cd%x00%B"
_IDENTITY = ("AUTHOR_NAME", "AUTHOR_EMAIL", "AUTHOR_DATE", "COMMITTER_NAME", "COMMITTER_EMAIL", "COMMITTER_DATE")


@dataclass(frozen=True)
class Lowered:
    """A flat commit with pointers in place of its submodules' files; `pointers`: commits by path, nested ones too."""

    commit: str
    pointers: Mapping[str, str]


class Submodules:
    """Submodules of an execution that started from the flat commit `base`."""

    def __init__(self, hub: Hub, base: str, ref: Callable[..., str]) -> None:
        """`ref`: name of a ref of the execution, for what is created."""
        self._hub = hub
        self._base = base
        self._ref = ref

    @cached_property
    def start(self) -> Lowered:
        """The base with pointers to the commits that its submodules had."""
        return self._start_of(self._base)

    def lowered(self, commit: str) -> Lowered:
        """A commit with pointers; the commit itself if it has no files of submodules."""
        return self.each_lowered(commit)(commit)

    def each_lowered(self, head: str) -> Callable[[str], Lowered]:
        """As `lowered`, of each commit between the base and a head, both included; they are read once."""
        known = {self._base: self.start}
        for step in steps_between(self._hub, self._base, head):
            if step.subject == FLAT:
                # The start of an earlier execution whose changes this one has adopted.
                known[step.commit] = self._start_of(step.commit)
                continue
            before = [known.get(parent) or Lowered(parent, {}) for parent in step.parents]
            candidates: dict[str, list[str]] = {}
            for path, pointer in (each for parent in before for each in parent.pointers.items()):
                candidates.setdefault(path, []).append(pointer)
            candidates |= {path: [each.commit] for path, each in read_record(self._hub, step.record).items()}
            if candidates or [each.commit for each in before] != list(step.parents):
                known[step.commit] = self._stored(step, candidates) or self._create(step, before, candidates)
        return lambda commit: known.get(commit) or Lowered(commit, {})

    def paths_at_start(self, lowered: Lowered) -> dict[str, str | None]:
        """Path at the start of each submodule, which its name identifies; None for one that was added since."""
        known = {name: path for path, name in self.names(self.start).items()}
        return {path: known.get(name) for path, name in self.names(lowered).items()}

    def missing_commits(self, lowered: Lowered, workspace: Workspace) -> list[tuple[Workspace, str]]:
        """The user's repositories of submodules that lack a commit, and that commit."""
        start = self.start.pointers.values()
        found = self.repositories(lowered, workspace)
        return [
            (home, each)
            for home, each in found
            if each not in start or not self._hub.is_ancestor(each, home.head or "")
        ]

    def repositories(self, lowered: Lowered, workspace: Workspace) -> list[tuple[Workspace, str]]:
        """The user's repositories of submodules, and the commits that the pointers lead to."""
        known = self.paths_at_start(lowered).items()
        return [(workspace.modules[at_start], lowered.pointers[path]) for path, at_start in known if at_start]

    def set_by_agents(self, commit: str) -> list[AgentPointer]:
        """Pointers that agents set in the commits from the base to this one."""
        steps = steps_between(self._hub, self._base, commit)
        return [each for step in steps for each in read_record(self._hub, step.record).values()]

    def keep_records(self, commit: str) -> None:
        """Keep the records of agents' pointers up to a commit of another execution by refs of this one."""
        for step in steps_between(self._hub, self._base, commit):
            if read_record(self._hub, step.record):
                self._hub.update_ref(self.ref_of(step.record), step.record)

    def ref_of(self, commit: str) -> str:
        """Ref that keeps a submodule's commit, or a record of agents' pointers."""
        return self._ref("submodules", commit)

    def names(self, lowered: Lowered) -> dict[str, tuple[str, ...]]:
        """Names of each submodule and of those that contain it, outermost first, by path."""
        found: dict[str, tuple[str, ...]] = {}
        for path in sorted(lowered.pointers):
            container = container_of(path, found)
            known = declared_in(self._hub, lowered.pointers.get(container) or lowered.commit) or {}
            inner = within(path, container)
            found[path] = (*found.get(container, ()), known[inner].name if inner in known else inner)
        return found

    def _start_of(self, base: str) -> Lowered:
        modules, found = modules_of(self._hub, base), dict[str, str]()
        if not modules:
            return Lowered(base, {})
        origin = text(git("rev-parse", f"{base}^1", git_dir=self._hub.path))
        tree = self._hub.tree_of(origin)
        for module in modules:
            inner = self._start_of(module.commit)
            found[module.path] = inner.commit
            found |= {f"{module.path}/{path}": commit for path, commit in inner.pointers.items()}
            tree = with_entry(self._hub, tree, module.path, f"{GITLINK} commit {inner.commit}")
        is_same = tree == self._hub.tree_of(origin)
        return Lowered(origin if is_same else self._commit(tree, [origin], base, _UNCOMMITTED), found)

    def _stored(self, step: Step, candidates: Iterable[str]) -> Lowered | None:
        """The commit as it was lowered before; None if it was not."""
        commit = self._hub.resolve(self._ref("lowered", step.commit))
        found: dict[str, str] = {}
        for path in sorted(candidates) if commit else ():
            container = container_of(path, found)
            pointer = entry_at(self._hub, found.get(container) or commit or "", within(path, container))
            if pointer is not None and pointer[0] == GITLINK:
                found[path] = pointer[1]
        return Lowered(commit, found) if commit else None

    def _create(self, step: Step, before: Sequence[Lowered], candidates: Mapping[str, Sequence[str]]) -> Lowered:
        flat = tree = self._hub.tree_of(step.commit)
        found: dict[str, str] = {}
        # The innermost first: their containers have pointers to them.
        for path in sorted(candidates, key=lambda each: each.count("/"), reverse=True):
            files = entry_at(self._hub, tree, path)
            if files is not None and files[0] == TREE and self._is_declared(flat, path, candidates):
                found[path] = self._pointer(files[1], list(dict.fromkeys(candidates[path])), path, step.commit)
                self._hub.update_ref(self.ref_of(found[path]), found[path])
                tree = with_entry(self._hub, tree, path, f"{GITLINK} commit {found[path]}")
        parents = [each.commit for each in before]
        is_same = tree == flat and parents == list(step.parents)
        commit = step.commit if is_same else self._commit(tree, parents, step.commit)
        self._hub.update_ref(self._ref("lowered", step.commit), commit)
        return Lowered(commit, found)

    def _pointer(self, tree: str, own: list[str], path: str, like: str) -> str:
        """A commit of a submodule with this tree: an existing one, or a new child of the commits `own`."""
        origin = self.start.pointers.get(path)
        same = [each for each in (*own, origin) if each and self._hub.tree_of(each) == tree]
        # If one of two sides set it to another commit with the same files, that one.
        same.sort(key=lambda each: each == origin)
        return same[0] if same else self._commit(tree, own, like)

    def _is_declared(self, flat: str, path: str, among: Collection[str]) -> bool:
        """Whether a path is still a submodule: if `.gitmodules` no longer names it, its files are plain ones."""
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
        """A commit with another one's identities, times and message (or `instead`); reproducible."""
        described = git("show", "--no-patch", "--date=raw", f"--format={_METADATA}", like, git_dir=self._hub.path)
        *identity, message = described.decode("utf-8", "surrogateescape").split("\0", len(_IDENTITY))
        message = "".join(line for line in message.splitlines(keepends=True) if not line.startswith(f"{TRAILER}: "))
        arguments = [part for parent in parents for part in ("-p", parent)]
        created = git(
            "commit-tree",
            tree,
            *arguments,
            git_dir=self._hub.path,
            environment={f"GIT_{name}": value for name, value in zip(_IDENTITY, identity, strict=True)},
            stdin=(instead or message.rstrip("\n")).encode("utf-8", "surrogateescape") + b"\n",
        )
        return text(created)
