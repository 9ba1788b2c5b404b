"""Save the files of a work tree as a tree in the hub."""

from __future__ import annotations

import filecmp
import os
import shlex
import shutil
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from activities.git.agent_repository import AgentRepository
from activities.git.command import (
    ABSENT_MODE,
    EMPTY_TREE,
    GITLINK,
    GitLocation,
    display_path,
    nul_separated,
    records,
    run_git,
    text,
)
from activities.git.filters import clear_text, filter_drivers
from activities.git.quarantine import quarantine, release
from activities.git.repository_view import git_dir_of
from activities.git.submodules.gitmodules import MODULES, container_of
from activities.git.submodules.pointers import TREE, pointers, with_entry
from activities.git.work_tree import WorkTree
from activities.system.directories import is_without_links, remove, walk
from epw.core import failures
from epw.core.errors import GitError, TaskFailed

_MAX_PATH_BYTES = 4096
_NO_STATUS_WITHIN = "status.showUntrackedFiles=refused"
"""For a nested repository in the index, `git add` runs `git status` in it, by settings and filters of the agent: an
invalid value ends that command before it begins."""
_PATHS_FROM_STDIN = ("--pathspec-from-file=-", "--pathspec-file-nul")
_LITERALLY = {"GIT_LITERAL_PATHSPECS": "1"}


@dataclass
class SavedTree:
    """Result of `save_tree`."""

    tree: str
    """The tree, a flat one: with the files of submodules."""
    paths: list[str]
    """Paths that differ from the base."""
    opened: list[str] = field(default_factory=list)
    """Folders of nested repositories that became plain directories."""
    failures: list[TaskFailed] = field(default_factory=list)
    """Reasons why something that the attempt changed is not in the tree."""
    in_clear: list[str] = field(default_factory=list)
    """Paths left out because they would be stored in clear."""


def save_tree(work_tree: WorkTree, base: str, *, opens: bool = True) -> SavedTree:
    """Store all files as they are now, without ignored ones, as a tree to be compared with the flat commit `base`.

    `opens`: nested repositories become plain directories, unreadable files readable; else the work tree stays as it
    is and nested repositories are left out. Raises `TaskFailed` if nothing can be saved, `GitError`.
    """
    before = work_tree.before or base
    saving = _Saving(work_tree, opens=opens)
    tree, changes = saving.store(before)
    changes = changes if before == base and not work_tree.parts else work_tree.changes(base, tree)
    return SavedTree(tree, [path for path, _, _ in changes], saving.opened, saving.failures, saving.in_clear)


class _Saving:
    """One run of `save_tree` on a work tree or a part of it."""

    def __init__(self, work_tree: WorkTree, *, opens: bool) -> None:
        self.opened: list[str] = []
        self.failures: list[TaskFailed] = []
        self.in_clear: list[str] = []
        self._work_tree = work_tree
        self._hub = work_tree.hub
        self._path = work_tree.path
        self._opens = opens
        self._left_out: list[str] = []
        """Pathspecs that keep `git add` out of submodules."""
        self._place: GitLocation = work_tree.place

    def store(self, before: str) -> tuple[str, list[clear_text.Changed]]:
        """The tree, and what of it differs from `before`, submodules apart."""
        tree, changes = self._store_encoded(before) if self._work_tree.is_encoded else self._store_own(before)
        for path, commit in self._empty_submodules().items():
            changes += [(path, ABSENT_MODE, GITLINK)]
            tree = with_entry(self._hub, tree, path, f"{GITLINK} commit {commit}")
        for path, part in self._work_tree.parts.items():
            saving = _Saving(part, opens=self._opens)
            inner, _ = saving.store(part.before or "")
            self.opened += [f"{path}/{each}" for each in saving.opened]
            self.in_clear += [f"{path}/{each}" for each in saving.in_clear]
            self.failures += saving.failures
            tree = with_entry(self._hub, tree, path, f"{TREE} tree {inner}" if inner != EMPTY_TREE else None)
        return tree, changes

    def _store_encoded(self, before: str) -> tuple[str, list[clear_text.Changed]]:
        """As `_store_own`; new objects are stored only when it is known which of them are encoded."""
        index = self._work_tree.index
        try:
            with quarantine(index.with_name(f"{index.name}.objects")) as objects:
                self._place = {**self._work_tree.place, "objects": objects}
                tree, changes = self._store_own(before)
                release(self._hub, tree, before, self._place)
        except BaseException:
            # The index names objects that are gone now.
            shutil.copyfile(self._work_tree.fresh_index, index)
            raise
        finally:
            self._place = self._work_tree.place
        return tree, changes

    def _store_own(self, before: str) -> tuple[str, list[clear_text.Changed]]:
        """As `store`, without the files of submodules."""
        pointed = {path for path, _ in pointers(self._hub, before)} - {*self._work_tree.parts, *self._work_tree.lost}
        self._leave_out(pointed)
        try:
            self._add(opens=self._opens)
        except GitError as error:
            if "does not have a commit checked out" not in error.stderr or not self._opens:
                raise
            self._open_nested_repositories()
            self._add()
        if self._work_tree.agent is not None:
            self._follow_index_of(self._work_tree.agent)
        tree, changes = self._written(before)
        # A nested repository would be saved as a bare commit id, its files lost.
        while nested := [path for path, old, new in changes if new == GITLINK and old != GITLINK]:
            self._remove_from_index(nested)
            if self._opens:
                for path in nested:
                    remove(self._path / path / ".git")
                self.opened += nested
                self._add()
            tree, changes = self._written(before)
        if self._opens:
            self._check_pointers(before, pointed)
        known = self._work_tree.fresh_index
        kept = clear_text.keep_encoded(before, changes, self._work_tree.settings, known=known, **self._place)
        self.failures += kept.failures
        self.in_clear += kept.in_clear
        return self._written(before) if kept.is_changed else (tree, changes)

    def _leave_out(self, pointed: Collection[str]) -> None:
        """Keep `git add` out of submodules: in one that is in the index, git runs itself, by settings of the agent."""
        places = {path: self._path / path for path in sorted(pointed)}
        present = {path for path, place in places.items() if place.is_dir() and is_without_links(self._path, path)}
        self._left_out = [f":(exclude,top,literal){path}" for path in sorted({*self._work_tree.parts, *present})]
        self._remove_from_index([*self._work_tree.lost, *(path for path in places if path not in present)])

    def _empty_submodules(self) -> dict[str, str]:
        """Submodules without files in the agent's index that are not in ours: moved or added ones."""
        agent, known = self._work_tree.agent, {*self._work_tree.parts, *self._work_tree.lost}
        theirs = agent.pointers() if agent is not None and (self._path / MODULES).is_file() else {}
        new = {path: commit for path, commit in theirs.items() if path not in known}
        return {path: commit for path, commit in new.items() if _is_empty(self._path, path)}

    def _check_pointers(self, before: str, paths: Collection[str]) -> None:
        """Add a failure if a submodule without files at the start has some now: they cannot be stored."""
        if not (self._path / MODULES).is_file():
            return
        for path, pointer in pointers(self._hub, before):
            folder = self._path / path
            if path not in paths or folder.is_symlink() or not folder.is_dir() or not any(folder.iterdir()):
                continue
            repository = AgentRepository(git_dir_of(self._path, path), self._hub, pointer, Path(os.devnull), "")
            if repository.head() != pointer or repository.is_changed(folder):
                name = display_path(path)
                message = f"{name} was changed, a submodule that has no files in the workspace: initialise it there"
                message += f" (git submodule update --init {shlex.quote(name)}) and run this again"
                self.failures.append(TaskFailed(failures.SUBMODULE_MISSING, message))

    def _follow_index_of(self, agent: AgentRepository) -> None:
        """Add ignored files that the agent added by force; remove those that its commits no longer track."""
        if _is_same_file(self._path / ".git/index", self._work_tree.fresh_index):
            return
        theirs, ours = agent.tracked(), set(records(self._git("ls-files", "-z")))
        if not theirs or theirs == ours:
            return
        # Not through a link that took a directory's place.
        added = (each for each in sorted(theirs - ours) if is_without_links(self._path, os.path.dirname(each)))
        files = ((each, self._path / each) for each in added if not container_of(each, self._work_tree.parts))
        forced = [each for each, file in files if file.is_symlink() or file.is_file()]
        if forced:
            self._run("add", "--force", *_PATHS_FROM_STDIN, environment=_LITERALLY, stdin=nul_separated(forced))
        untracked = agent.untracked_by_commit(ours - theirs)
        if untracked:
            argv = ("check-ignore", "--no-index", "-z", "--stdin")
            ignored = self._run(*argv, stdin=nul_separated(untracked), codes=(0, 1)).stdout
            self._run("update-index", "--force-remove", "-z", "--stdin", stdin=ignored)

    def _add(self, *, opens: bool = True) -> None:
        """Add all files as they are. git only warns of a directory that it cannot open, and takes it for unchanged."""
        for may_open in (opens, False):
            argv = ("-c", _NO_STATUS_WITHIN, "add", "--all", "--", ":/")
            done = self._run(*argv, *self._left_out, codes=(0, 128))
            errors = done.stderr.decode(errors="replace")
            if may_open and "ermission denied" in errors:
                self._work_tree.make_readable()
                entries = records(self._git("ls-files", "--stage", "-z"))
                self._remove_from_index([each.split("\t", 1)[1] for each in entries if each.startswith(f"{GITLINK} ")])
                continue
            self._check_added(done.returncode, errors)
            return

    @staticmethod
    def _check_added(code: int, errors: str) -> None:
        """Raise if `git add` has not added all files."""
        is_unopened = "could not open directory" in errors
        if is_unopened and len(max(errors.splitlines(), key=len)) > _MAX_PATH_BYTES - 200:
            # git's message is cut before it says why.
            message = f"the directory has paths of over {_MAX_PATH_BYTES} bytes, git saves none"
            raise TaskFailed(failures.PATH_TOO_LONG, message)
        if code and (message := filter_drivers.failure_message(GitError(["add"], code, errors)) or ""):
            raise TaskFailed(failures.FILTER_FAILED, message)
        if code or "ermission denied" in errors or is_unopened:
            raise GitError(["add", "--all"], code, errors)

    def _written(self, base: str) -> tuple[str, list[clear_text.Changed]]:
        """The index as a tree, and what differs from a commit."""
        tree = text(self._git("write-tree"))
        return tree, self._work_tree.changes(base, tree, self._place)

    def _open_nested_repositories(self) -> None:
        """Turn repositories that an agent created into plain directories."""
        for folder in walk(self._path):
            if folder.path in self._work_tree.parts:
                folder.folders.clear()
                continue
            if folder.path and ".git" in (*folder.folders, *folder.files):
                remove(self._path / folder.path / ".git")
                self.opened.append(folder.path)
            folder.folders[:] = [name for name in folder.folders if name != ".git"]

    def _remove_from_index(self, paths: Collection[str]) -> None:
        if paths:
            self._run("update-index", "--force-remove", "-z", "--stdin", stdin=nul_separated(paths))

    def _git(self, *arguments: str) -> bytes:
        return self._run(*arguments).stdout

    def _run(
        self,
        *arguments: str,
        codes: Sequence[int] = (0,),
        stdin: bytes | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        settings = self._work_tree.settings
        return run_git(*arguments, config=settings, codes=codes, stdin=stdin, environment=environment, **self._place)


def _is_empty(tree: Path, path: str) -> bool:
    folder = tree / path
    return is_without_links(tree, path) and folder.is_dir() and not any(folder.iterdir())


def _is_same_file(one: Path, other: Path) -> bool:
    """Whether two files have the same content; False if one cannot be read."""
    try:
        return not one.is_symlink() and filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False
