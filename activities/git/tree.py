"""A directory of files that belongs to an attempt: checked out of the hub, saved back into it.

Our index and our GIT_DIR stay outside it; the `.git` inside is the agent's own and never read.
"""

from __future__ import annotations

import filecmp
import os
import shlex
import shutil
import stat
import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from activities.git.agent_repository import AgentRepository
from activities.git.command import (
    ABSENT_MODE,
    EMPTY_TREE,
    GITLINK,
    LINK,
    GitLocation,
    differences,
    display_path,
    git,
    records,
    run_git,
    text,
)
from activities.git.filters import clear_text, filter_drivers
from activities.git.hub import Hub
from activities.git.quarantine import quarantine, release
from activities.git.repository_view import git_dir_of
from activities.git.submodules.gitmodules import MODULES, container_of
from activities.git.submodules.pointers import TREE, pointers, with_entry
from activities.system.directories import is_without_links, leads_out, remove, walk
from epw.core import failures
from epw.core.errors import GitError, TaskFailed
from epw.core.globs import literal_prefix, matches

_MAX_PATH = 4096
_NOT_WITHIN = "status.showUntrackedFiles=refused"
"""Of a repository within whose pointer is in the index `git add` asks `git status`, which runs filters by settings that
are the agent's: with this one it ends before it has begun."""
_LISTED = ("--pathspec-from-file=-", "--pathspec-file-nul")
_DIFFERENCES = ("diff-tree", "-r", "--no-renames", "--raw", "-z")
_IGNORED = ("ls-files", "--others", "--ignored", "--exclude-standard")
_LITERALLY = {"GIT_LITERAL_PATHSPECS": "1"}


class WorkTree:
    def __init__(
        self, hub: Hub, path: Path, index: Path, settings: Sequence[str], *, git_dir: Path | None = None
    ) -> None:
        """`git_dir`: the hub's, or one that has its objects and other attributes."""
        self.hub = hub
        self.path = path
        self.index = index
        self.opened: list[str] = []
        self.settings = settings
        """Of git, which decide on what is ignored, and how content is stored."""
        self.git_dir = git_dir or hub.path
        self.before: str | None = None
        """The commit that it is filled from, with pointers to submodules; None: the one that is named."""
        self.agent: AgentRepository | None = None
        """The agent's own: what it tracks counts too, ignored or not."""
        self.parts: dict[str, WorkTree] = {}
        """Submodules that have files, by path: each is saved by its own rules."""
        self.lost: Collection[str] = ()
        """Those that were there, and are none any more."""
        self.is_encoded = False
        """Whether a driver encodes some of the files: what git has made of them is looked at, and then stored."""
        self.failures: list[TaskFailed] = []
        """Why `write_tree` has not stored all of what the attempt changed."""
        self.in_clear: list[str] = []
        """Paths that it has left out, since they would be stored in clear."""
        self._objects: Path | None = None
        self._left_out: list[str] = []

    @property
    def fresh_index(self) -> Path:
        """The index as of the checkout: which files there were, and their times."""
        return self.index.with_name(f"{self.index.name}.fresh")

    def check_out(self, commit: str) -> None:
        """Fill the directory with the files of a commit: an empty one, or one filled before and made bare since.

        There every file that is not as it was checked out, by its times, is written anew. The commit is a flat one
        where there are submodules.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if self.fresh_index.exists():
            shutil.copyfile(self.fresh_index, self.index)
        try:
            self._git("read-tree", "-u", "--reset", self.before or commit)
        except GitError as error:
            if told := filter_drivers.failed(error):
                raise TaskFailed(failures.FILTER_FAILED, told) from None
            raise
        for part in self.parts.values():
            part.check_out(part.before or "")
        # As it is now: what `setup` adds later is nothing that anybody staged.
        shutil.copyfile(self.index, self.fresh_index)

    def tracked(self) -> list[str]:
        """The paths that were checked out last."""
        return records(git("ls-files", "-z", git_dir=self.hub.path, index=self.fresh_index))

    def take_over(self, other: WorkTree) -> None:
        """Become the directory that another one was."""
        other.path.rename(self.path)
        other.fresh_index.rename(self.fresh_index)

    def write_tree(self, base: str, *, opens: bool = True) -> tuple[str, list[str]]:
        """The tree of all files as they are now, ignored ones left out, and the paths that differ from `base`'s.

        Repositories inside become plain directories, and what is not readable becomes so; with `opens` false the
        tree stays as it is, repositories left out. Both trees are flat.
        """
        before = self.before or base
        tree, changes = self._stored(before, opens=opens)
        changes = changes if before == base and not self.parts else self._changes(base, tree)
        return tree, [path for path, _, _ in changes]

    def _stored(self, before: str, *, opens: bool) -> tuple[str, list[clear_text.Changed]]:
        """The tree, and what of it differs from `before`, submodules apart."""
        if not self.is_encoded:
            tree, changes = self._own_tree(before, opens=opens)
        else:
            try:
                with quarantine(self.index.with_name(f"{self.index.name}.objects")) as self._objects:
                    tree, changes = self._own_tree(before, opens=opens)
                    release(self.hub, tree, before, self.place)
            except BaseException:
                # It knows objects that are gone now.
                shutil.copyfile(self.fresh_index, self.index)
                raise
            finally:
                self._objects = None
        for path, commit in self._empty_submodules().items():
            changes += [(path, ABSENT_MODE, GITLINK)]
            tree = with_entry(self.hub, tree, path, f"{GITLINK} commit {commit}")
        for path, part in self.parts.items():
            inner, _ = part._stored(part.before or "", opens=opens)
            self.opened += [f"{path}/{each}" for each in part.opened]
            self.in_clear += [f"{path}/{each}" for each in part.in_clear]
            self.failures += part.failures
            tree = with_entry(self.hub, tree, path, f"{TREE} tree {inner}" if inner != EMPTY_TREE else None)
        return tree, changes

    def _own_tree(self, before: str, *, opens: bool) -> tuple[str, list[clear_text.Changed]]:
        """As `_stored`, without the files of submodules."""
        pointed = {path for path, _ in pointers(self.hub, before)} - {*self.parts, *self.lost}
        self._leave_out(pointed)
        try:
            self._add(opens=opens)
        except GitError as error:
            if "does not have a commit checked out" not in error.stderr or not opens:
                raise
            self._open_nested_repositories()
            self._add()
        if self.agent is not None:
            self._track(self.agent)
        tree, changes = self._written(before)
        # A repository inside would be saved as a bare commit id, its files lost.
        while nested := [path for path, old, new in changes if new == GITLINK and old != GITLINK]:
            self._run("update-index", "--force-remove", "-z", "--stdin", stdin=_nul(nested))
            if opens:
                for path in nested:
                    remove(self.path / path / ".git")
                self.opened += nested
                self._add()
            tree, changes = self._written(before)
        if opens:
            self._check_pointers(before, pointed)
        settled = clear_text.settle(before, changes, self.settings, known=self.fresh_index, **self.place)
        self.failures += settled.failures
        self.in_clear += settled.in_clear
        return self._written(before) if settled.is_changed else (tree, changes)

    def _leave_out(self, pointed: Collection[str]) -> None:
        """Pass over submodules when files are added: for one that is in the index, git runs itself in it, by settings
        that are the agent's."""
        places = {path: self.path / path for path in sorted(pointed)}
        is_there = {path for path, place in places.items() if place.is_dir() and is_without_links(self.path, path)}
        self._left_out = [f":(exclude,top,literal){path}" for path in sorted({*self.parts, *is_there})]
        gone = [*self.lost, *(path for path in places if path not in is_there)]
        if gone:
            self._run("update-index", "--force-remove", "-z", "--stdin", stdin=_nul(gone))

    def _empty_submodules(self) -> dict[str, str]:
        """Those without files that the agent's index has and ours has not: moved or added ones."""
        theirs = self.agent.pointers() if self.agent is not None and (self.path / MODULES).is_file() else {}
        new = {path: commit for path, commit in theirs.items() if path not in self.parts and path not in self.lost}
        return {path: commit for path, commit in new.items() if _is_empty(self.path, path)}

    def _check_pointers(self, before: str, paths: Collection[str]) -> None:
        """Submodules without files at the start have none of the agent's now: what is there cannot be stored."""
        if not (self.path / MODULES).is_file():
            return
        for path, pointer in pointers(self.hub, before):
            folder = self.path / path
            if path not in paths or folder.is_symlink() or not folder.is_dir() or not any(folder.iterdir()):
                continue
            repository = AgentRepository(git_dir_of(self.path, path), self.hub, pointer, Path(os.devnull), "")
            if not repository.is_at(pointer) or repository.is_changed(folder):
                shown = display_path(path)
                told = f"{shown} was changed, a submodule that has no files in the workspace: initialise it there"
                told += f" (git submodule update --init {shlex.quote(shown)}) and run this again"
                self.failures.append(TaskFailed(failures.SUBMODULE_MISSING, told))

    def _track(self, agent: AgentRepository) -> None:
        """Ignored files that the agent has added by force, and none that it has committed not to track any more."""
        if _same(self.path / ".git/index", self.fresh_index):
            return
        theirs, ours = agent.tracked(), set(records(self._git("ls-files", "-z")))
        if not theirs or theirs == ours:
            return
        # Not by way of a link that has taken a directory's place.
        beneath = (each for each in sorted(theirs - ours) if is_without_links(self.path, os.path.dirname(each)))
        there = ((each, self.path / each) for each in beneath if not container_of(each, self.parts))
        forced = [each for each, file in there if file.is_symlink() or file.is_file()]
        if forced:
            self._run("add", "--force", *_LISTED, environment=_LITERALLY, stdin=_nul(forced))
        given_up = agent.untracked_by_commit(ours - theirs)
        if given_up:
            argv = ("check-ignore", "--no-index", "-z", "--stdin")
            ignored = self._run(*argv, stdin=_nul(given_up), codes=(0, 1)).stdout
            self._run("update-index", "--force-remove", "-z", "--stdin", stdin=ignored)

    def _add(self, *, opens: bool = True) -> None:
        """All files as they are. Of a directory that it cannot open git only warns, and takes it for unchanged."""
        for again in (opens, False):
            argv = ("-c", _NOT_WITHIN, "add", "--all", "--", ":/")
            done = self._run(*argv, *self._left_out, codes=(0, 128))
            said = done.stderr.decode(errors="replace")
            if again and "ermission denied" in said:
                self.make_readable()
                within = records(self._git("ls-files", "--stage", "-z"))
                found = [each.split("\t", 1)[1] for each in within if each.startswith(f"{GITLINK} ")]
                self._run("update-index", "--force-remove", "-z", "--stdin", stdin=_nul(found))
            elif "could not open directory" in said and len(max(said.splitlines(), key=len)) > _MAX_PATH - 200:
                # git's message is cut before it says why.
                raise TaskFailed(
                    failures.PATH_TOO_LONG, f"the directory has paths of over {_MAX_PATH} bytes, git saves none"
                )
            elif done.returncode and (told := filter_drivers.failed(GitError(["add"], done.returncode, said))):
                raise TaskFailed(failures.FILTER_FAILED, told)
            elif done.returncode or "ermission denied" in said or "could not open directory" in said:
                raise GitError(["add", "--all"], done.returncode, said)
            else:
                return

    def make_readable(self) -> None:
        """Give back modes that an agent took from itself; of them git keeps only whether a file can be run."""
        os.chmod(self.path, 0o700)
        for folder in walk(self.path):
            for name in (*folder.folders, *folder.files):
                mode = os.stat(name, dir_fd=folder.descriptor, follow_symlinks=False).st_mode
                if stat.S_ISDIR(mode) or stat.S_ISREG(mode):
                    wanted = stat.S_IMODE(mode) | (0o700 if stat.S_ISDIR(mode) else 0o400)
                    os.chmod(name, wanted, dir_fd=folder.descriptor)

    def links_out(self, base: str, tree: str) -> list[str]:
        """New or changed links that lead out of the directory, or into its `.git`."""
        found = []
        for each in differences(self._git(*_DIFFERENCES, base, tree)):
            if each.mode == LINK and leads_out(each.path, target := os.fsdecode(self.hub.blob(each.new))):
                found.append(f"{each.path} → {target}")
        return found

    def _written(self, base: str) -> tuple[str, list[clear_text.Changed]]:
        """The index as a tree, and what differs from a commit."""
        tree = text(self._git("write-tree"))
        return tree, self._changes(base, tree)

    def _changes(self, base: str, tree: str) -> list[clear_text.Changed]:
        found = differences(self._git(*_DIFFERENCES, base, tree))
        return [(each.path, each.old_mode, each.mode) for each in found]

    def _open_nested_repositories(self) -> None:
        """Repositories that an agent made become plain directories."""
        for folder in walk(self.path):
            if folder.path in self.parts:
                folder.folders.clear()
                continue
            if folder.path and ".git" in (*folder.folders, *folder.files):
                remove(self.path / folder.path / ".git")
                self.opened.append(folder.path)
            folder.folders[:] = [name for name in folder.folders if name != ".git"]

    def not_as_checked_out(self) -> tuple[list[str], list[str]]:
        """Paths that are new (ignored ones too; whole directories where all is new), and changed ones."""
        new = [path.rstrip("/") for path in records(self._git("ls-files", "--others", "--directory", "-z"))]
        argv = ("diff-files", "--ignore-submodules=all", "--name-only", "--diff-filter=AMT", "-z")
        changed = records(self._git(*argv))
        for path, part in self.parts.items():
            inner_new, inner_changed = part.not_as_checked_out()
            new += [f"{path}/{each}" for each in inner_new if each != ".git"]
            changed += [f"{path}/{each}" for each in inner_changed]
        return new, changed

    def is_filtered(self) -> bool:
        """Whether content filters apply to any of its files."""
        return bool(self._git("ls-files", "-z", "--", ":(top,exclude,attr:!filter)"))

    def ignored(self) -> list[str]:
        """Files and directories that git ignores."""
        listed = self._git(*_IGNORED, "--directory", "-z")
        beneath = [f"{path}/{each}" for path, part in self.parts.items() for each in part.ignored()]
        return [*(path for path in records(listed) if path != ".git/"), *beneath]

    def ignored_files(self, globs: Sequence[str], folder: str = "") -> list[str]:
        """Files that git ignores and one of the globs covers, as seen from where it is `folder`."""
        beneath = ["" if folder else "/".join(literal_prefix(glob)) for glob in globs]
        asked = [] if "" in beneath else ["--", *(f":(top,literal){path}" for path in beneath)]
        listed = (os.path.join(folder, path) for path in records(self._git(*_IGNORED, "-z", *asked)))
        files = [path for path in listed if not path.endswith("/") and any(matches(glob, path) for glob in globs)]
        return files + [
            file for path, part in self.parts.items() for file in part.ignored_files(globs, os.path.join(folder, path))
        ]

    def _git(self, *arguments: str) -> bytes:
        return self._run(*arguments).stdout

    def _run(
        self,
        *arguments: str,
        codes: Sequence[int] = (0,),
        stdin: bytes | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        return run_git(
            *arguments, config=self.settings, codes=codes, stdin=stdin, environment=environment, **self.place
        )

    @property
    def place(self) -> GitLocation:
        """Where git works for it."""
        place = GitLocation(git_dir=self.git_dir, work_tree=self.path, index=self.index)
        return place if self._objects is None else {**place, "objects": self._objects}


def _is_empty(tree: Path, path: str) -> bool:
    folder = tree / path
    return is_without_links(tree, path) and folder.is_dir() and not any(folder.iterdir())


def _nul(paths: Iterable[str]) -> bytes:
    return b"".join(os.fsencode(path) + b"\0" for path in paths)


def _same(one: Path, other: Path) -> bool:
    """Whether two files have the same content, as far as they can be read."""
    try:
        return not one.is_symlink() and filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False
