"""The repositories in an attempt's directory: the workspace's and its submodules', at the start and at the end."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from activities.git import agent_clone
from activities.git.agent_repository import AgentRepository
from activities.git.command import MAX_NAMED, display_path, display_paths
from activities.git.hub import Hub
from activities.git.repository_view import git_dir_of
from activities.git.submodules.agent_pointers import AgentPointer, store_record, trailer_line
from activities.git.submodules.flat import git_dir_for
from activities.git.submodules.gitmodules import MODULES, container_of, declared, within
from activities.git.submodules.pointers import pointers
from activities.git.work_tree import WorkTree
from activities.git.workspace import Workspace
from activities.state.execution_store import ExecutionStore
from activities.system.directories import is_without_links
from epw.core import failures
from epw.core.errors import GitError, TaskFailed
from epw.core.naming import slug

_MARKER = b"<<<<<<< "
_MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Repository:
    """One repository in an attempt's directory."""

    commit: str
    """The commit that its work tree is compared with."""
    at_start: str | None
    """Its path when the execution started (empty: the workspace itself); None: it has been added since."""
    is_new: bool = False
    """Whether the agent has made it."""


@dataclass
class Findings:
    """Findings of saving an agent's work: its repositories, and failures."""

    agents: dict[str, AgentRepository] = field(default_factory=dict)
    """The agent's repositories, by path."""
    picked: dict[str, AgentPointer] = field(default_factory=dict)
    """Commits to which the agent has moved submodules, by path."""
    opened: list[str] = field(default_factory=list)
    """Repositories that the agent made inside, and whose files are plain now."""
    failures: list[TaskFailed] = field(default_factory=list)
    """Reasons why not everything was saved, or why the change may not land."""
    work_tree: WorkTree | None = None
    """The tree from which the work was saved."""
    in_clear: list[str] = field(default_factory=list)
    """Paths that were not saved because they would be stored in clear."""
    before: list[str] = field(default_factory=list)
    """A sentence for each earlier attempt's directory that is kept, since it could not be saved."""

    def failure(self) -> TaskFailed | None:
        """The first failure; it is `final` where any of them is."""
        first = next(iter(self.failures), None)
        return first and TaskFailed(first.kind, str(first), final=any(each.final for each in self.failures))

    def warnings(self) -> list[str]:
        """The failures after the first, and what was not saved, in words."""
        out = self.in_clear
        message = f"not saved, since a filter would not encode it: {', '.join(display_paths(out))}"
        more = f" and {len(out) - MAX_NAMED} more" if len(out) > MAX_NAMED else ""
        return [*([message + more] if out else []), *(str(each) for each in self.failures[1:]), *self.before]


class Repositories:
    """Finds the repositories of one attempt's directory."""

    def __init__(self, execution: ExecutionStore, hub: Hub, tree: Path, index: Path, start: str) -> None:
        """`start`: the commit from which the directory was checked out, with submodules as plain folders."""
        self._execution = execution
        self._submodules = execution.submodules(hub)
        self._hub = hub
        self._tree = tree
        self._index = index
        self._start = start
        self.agents: dict[str, AgentRepository] = {}
        """The agent's repositories, by path, as `current` has found them."""
        self.picked: dict[str, AgentPointer] = {}
        """Commits to which the agent has moved submodules, by path."""
        self.failures: list[TaskFailed] = []
        """Unfinished merges and unreadable repositories: the change is saved, and does not land."""

    @cached_property
    def made(self) -> dict[str, Repository]:
        """The repositories with which the attempt began, by path; the workspace itself has the empty path."""
        start = self._submodules.lowered(self._start)
        at_start = self._submodules.paths_at_start(start)
        found = {path: Repository(commit, at_start[path]) for path, commit in start.pointers.items()}
        return {"": Repository(start.commit, ""), **found}

    def workspace_of(self, repository: Repository) -> Workspace:
        """The user's repository that it stands for; of an added submodule only what holds for all submodules."""
        workspace = self._execution.workspace()
        if repository.at_start is None:
            return workspace.for_new_submodule()
        return workspace.modules[repository.at_start] if repository.at_start else workspace

    def refs_of(self, repository: Repository) -> Path:
        """File of the user's refs for it, packed."""
        return Path(os.devnull) if repository.at_start is None else self._execution.refs(repository.at_start)

    def at_start(self) -> WorkTree:
        """The directory as it was checked out."""
        return self._work_tree(self.made)

    def current(self, base: str, *, opens: bool) -> WorkTree:
        """The directory as it is now, to be saved on top of `base`; `opens`: the agent has ended.

        Commits to which the agent has moved submodules are kept in the hub. Files of a submodule that cannot be read
        are saved on top of the commit where it started, or, where the agent has made it, as plain files.
        """
        left = {"": self.made[""], **self._present()}
        self.agents = {path: self._agent(path, each) for path, each in left.items()}
        settled = {path: self._settled(path, each) for path, each in left.items() if path}
        stands = {path: replace(left[path], commit=commit) for path, commit in settled.items() if commit is not None}
        top = replace(left[""], commit=self._submodules.lowered(base).commit)
        work_tree = self._work_tree({"": top, **stands})
        if opens:
            for path, agent in self.agents.items():
                self._check_finished(path, agent.unfinished())
                if not path or path in stands:
                    part_of(work_tree, path).agent = agent
        return work_tree

    def trailer(self) -> str:
        """Trailer of a change's message that records the moved submodules; empty where there are none."""
        if not self.picked:
            return ""
        record = store_record(self._hub, self.picked)
        self._hub.update_ref(self._submodules.ref_of(record), record)
        return trailer_line(record)

    def _present(self) -> dict[str, Repository]:
        """The submodules that have files now, by path, as `.gitmodules` names them."""
        found: dict[str, Repository] = {}
        without_files = {path for path, _ in pointers(self._hub, self._start)}
        names = self._submodules.names(self._submodules.lowered(self._start))
        known = {name: path for path, name in names.items()}
        waiting: list[tuple[str, tuple[str, ...]]] = [("", ())]
        while waiting:
            container, outer = waiting.pop()
            inner = self._declared(container)
            if inner is None:
                inner = {within(known[name], container): name[-1] for name in known if name[:-1] == outer}
            # A submodule without an entry at the start needs none now.
            inner |= {name[-1]: name[-1] for name in known if name[:-1] == outer and self._is_undeclared(known[name])}
            for path, name in inner.items():
                whole, names_to = os.path.join(container, path), (*outer, name)
                repository = None if whole in without_files else self._found(whole, known.get(names_to))
                if repository is not None:
                    found[whole] = repository
                    waiting.append((whole, names_to))
        return found

    def _declared(self, container: str) -> dict[str, str] | None:
        """Names of submodules by path, from `.gitmodules`; None where it is missing or unreadable."""
        file = self._tree / container / MODULES
        is_file = not file.is_symlink() and file.is_file() and file.stat().st_size <= _MAX_BYTES
        found = declared(file.read_bytes()) if is_file else None
        return None if found is None else {path: each.name for path, each in found.items()}

    def _is_undeclared(self, path: str) -> bool:
        container = container_of(path, self.made)
        known = declared(self._hub.file(self.made[container].commit, MODULES) or b"") or {}
        return within(path, container) not in known

    def _found(self, path: str, before: str | None) -> Repository | None:
        """The submodule at a path; None: there is none. `before`: its path at the start, None: it is new."""
        folder = self._tree / path
        if not is_without_links(self._tree, path) or not folder.is_dir():
            return None
        if before is not None:
            return self.made[before]
        # A repository without a commit is not a submodule.
        head = AgentRepository(git_dir_of(self._tree, path), self._hub, "", Path(os.devnull), "").head()
        return Repository(head, None, is_new=True) if head is not None else None

    def _agent(self, path: str, each: Repository) -> AgentRepository:
        git_dir = git_dir_of(self._tree, path) if path else self._tree / ".git"
        if each.is_new:
            # Refs that came with its clone are not the agent's work.
            return AgentRepository(git_dir, self._hub, each.commit, git_dir / "packed-refs", "")
        borrowed = agent_clone.alternates(self._hub, self.workspace_of(each))
        return AgentRepository(git_dir, self._hub, each.commit, self.refs_of(each), borrowed)

    def _settled(self, path: str, each: Repository) -> str | None:
        """The commit of a submodule, kept in the hub where it was moved; None: a new one that cannot be read."""
        commit = self.agents[path].head() or each.commit
        if path in self.made and self.made[path].commit == commit and not each.is_new:
            return commit
        try:
            is_public = self.agents[path].keep(commit, self._submodules.ref_of(commit))
        except (GitError, OSError) as error:
            message = f"{display_path(path)} is at {commit[:12]}, which cannot be read from its repository: {error}"
            self.failures.append(TaskFailed(failures.SUBMODULE_UNREADABLE, " ".join(message.split())))
            return None if each.is_new else each.commit
        self.picked[path] = AgentPointer(commit, is_public)
        return commit

    def _work_tree(self, found: Mapping[str, Repository]) -> WorkTree:
        trees: dict[str, WorkTree] = {}
        for path, each in sorted(found.items()):
            settings = self._execution.checkout_settings(each.at_start or "")
            own = git_dir_for(self._hub, self.workspace_of(each).info_attributes) if path else None
            index = self._index.with_name(f"{self._index.name}-{slug(path)}") if path else self._index
            tree = trees[path] = WorkTree(self._hub, self._tree / path, index, settings, git_dir=own)
            tree.before, tree.is_encoded = each.commit, self.workspace_of(each).is_encoded
            gone = [other for other in self.made if other and other not in found]
            tree.lost = [within(other, path) for other in gone if container_of(other, self.made) == path]
            if path:
                container = container_of(path, trees)
                trees[container].parts[within(path, container)] = tree
        return trees[""]

    def _check_finished(self, path: str, unmerged: list[str]) -> None:
        """Record a failure where an unfinished merge has left its markers in a file."""
        for name in unmerged:
            file = self._tree / path / name
            if not file.is_symlink() and file.is_file() and _MARKER in file.read_bytes():
                where = display_path(os.path.join(path, name))
                message = f"{where} holds the conflict markers of an unfinished merge or rebase"
                self.failures.append(TaskFailed(failures.UNFINISHED_MERGE, message))
                return


def part_of(work_tree: WorkTree, path: str) -> WorkTree:
    """The work tree of a submodule; `path`: from the top."""
    for inner, part in work_tree.parts.items():
        if path == inner or path.startswith(f"{inner}/"):
            return part_of(part, within(path, inner))
    return work_tree
