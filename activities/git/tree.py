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
from collections.abc import Mapping, Sequence
from pathlib import Path

from activities.directories import is_without_links, remove, walk
from activities.git import filters
from activities.git.command import GITLINK, LINK, Place, git, records, run_git, shown, text
from activities.git.hub import Hub
from activities.git.left_behind import AgentRepository
from activities.git.submodules import MODULES, pointers
from workflows.errors import GitError, TaskFailed
from workflows.globs import literal_prefix, matches

_MAX_PATH = 4096
_LISTED = ("--pathspec-from-file=-", "--pathspec-file-nul")
_IGNORED = ("ls-files", "--others", "--ignored", "--exclude-standard")
_LITERALLY = {"GIT_LITERAL_PATHSPECS": "1"}


class WorkTree:
    def __init__(self, hub: Hub, path: Path, index: Path, settings: Sequence[str]) -> None:
        self.hub = hub
        self.path = path
        self.index = index
        self.opened: list[str] = []
        self.settings = settings
        """Of git, which decide on what is ignored, and how content is stored."""

    @property
    def fresh_index(self) -> Path:
        """The index as of the checkout: which files there were, and their times."""
        return self.index.with_name(f"{self.index.name}.fresh")

    def check_out(self, commit: str) -> None:
        """Fill the directory with the files of a commit: an empty one, or one filled before and made bare since.

        There every file that is not as it was checked out, by its times, is written anew.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if self.fresh_index.exists():
            shutil.copyfile(self.fresh_index, self.index)
        try:
            self._git("read-tree", "-u", "--reset", commit)
        except GitError as error:
            if told := filters.failed(error):
                raise TaskFailed("FilterFailed", told) from None
            raise
        # As it is now: what `setup` adds later is nothing that anybody staged.
        shutil.copyfile(self.index, self.fresh_index)

    def tracked(self) -> list[str]:
        """The paths that were checked out last."""
        return records(git("ls-files", "-z", git_dir=self.hub.path, index=self.fresh_index))

    def take_over(self, other: WorkTree) -> None:
        """Become the directory that another one was."""
        other.path.rename(self.path)
        other.fresh_index.rename(self.fresh_index)

    def write_tree(
        self, base: str, *, opens: bool = True, agents: Mapping[str, AgentRepository] | None = None
    ) -> tuple[str, list[str]]:
        """The tree of all files as they are now, ignored ones left out, and the paths that differ from `base`'s.

        Repositories inside become plain directories, and what is not readable becomes so; with `opens` false the
        tree stays as it is, repositories left out. `agents`: the agent's own by path; what they track counts too,
        ignored or not.
        """
        try:
            self._add(opens=opens)
        except GitError as error:
            if "does not have a commit checked out" not in error.stderr or not opens:
                raise
            self._open_nested_repositories()
            self._add()
        for path, repository in (agents or {}).items():
            self._track(repository, path, [other for other in agents or {} if len(other) > len(path)])
        tree, changes = self._written(base)
        nested = [path for path, old, new in changes if new == GITLINK and old != GITLINK]
        for path in nested:
            # A repository inside would be saved as a bare commit id, its files lost.
            if opens:
                remove(self.path / path / ".git")
                self.opened.append(path)
            self._git("update-index", "--force-remove", "--", path)
            if opens:
                self._add()
        if nested:
            tree, changes = self._written(base)
        if opens:
            self._check_pointers(base)
        place = Place(git_dir=self.hub.path, work_tree=self.path, index=self.index)
        try:
            if filters.settle(base, changes, self.settings, known=self.fresh_index, **place):
                tree, changes = self._written(base)
        except filters.Unfiltered as error:
            raise TaskFailed("FilterLost", str(error)) from None
        except filters.Undriven as error:
            raise TaskFailed("FilterMissing", str(error), final=True) from None
        return tree, [path for path, _, _ in changes]

    def _check_pointers(self, base: str) -> None:
        """Submodules without files at the start have none of the agent's now; raises `TaskFailed`.

        Whatever it did there is in no repository that the user has.
        """
        if not (self.path / MODULES).is_file():
            return
        for path, pointer in pointers(self.hub, base):
            folder = self.path / path
            if folder.is_symlink() or not folder.is_dir() or not any(folder.iterdir()):
                continue
            repository = AgentRepository(self._git_dir_of(folder), self.hub, pointer, Path(os.devnull), "")
            if not repository.is_at(pointer) or repository.is_changed(folder):
                raise TaskFailed(
                    "SubmoduleMissing",
                    f"{shown(path)} was changed, a submodule that has no files in the workspace: initialise it there"
                    f" (git submodule update --init {shlex.quote(shown(path))}) and run this again",
                    final=True,
                )

    def _git_dir_of(self, folder: Path) -> Path:
        """Of a submodule that the agent has initialised: beneath the directory's own `.git`, as git does it."""
        file = folder / ".git"
        if file.is_symlink() or not file.is_file():
            return file
        named = Path(os.path.normpath(folder / file.read_text(errors="replace").removeprefix("gitdir:").strip()))
        is_inside = named.is_relative_to(self.path / ".git")
        return named if is_inside and is_without_links(self.path, str(named.relative_to(self.path))) else file

    def _track(self, agents: AgentRepository, path: str, modules: Sequence[str]) -> None:
        """Ignored files that the agent has added by force, and none that it has committed not to track any more.

        `path`: where its repository is; `modules`: others, that may lie in it.
        """
        if not path and _same(self.path / ".git/index", self.fresh_index):
            return
        before = f"{path}/" if path else ""
        others = tuple(f"{each}/" for each in modules)
        theirs = {before + each for each in agents.tracked()}
        listed = records(self._git("ls-files", "-z", "--", *([f":(top,literal){path}"] if path else [])))
        ours = {each for each in listed if not each.startswith(others)} if others else set(listed)
        if not theirs or theirs == ours:
            return
        # Not by way of a link that has taken a directory's place.
        beneath = (each for each in sorted(theirs - ours) if is_without_links(self.path, os.path.dirname(each)))
        there = ((each, self.path / each) for each in beneath)
        forced = [each for each, file in there if file.is_symlink() or file.is_file()]
        if forced:
            self._run("add", "--force", *_LISTED, environment=_LITERALLY, stdin=_nul(forced))
        given_up = agents.untracked_by_commit({each.removeprefix(before) for each in ours - theirs})
        if given_up:
            argv = ("check-ignore", "--no-index", "-z", "--stdin")
            ignored = self._run(*argv, stdin=_nul([before + each for each in given_up]), codes=(0, 1)).stdout
            self._run("update-index", "--force-remove", "-z", "--stdin", stdin=ignored)

    def _add(self, *, opens: bool = True) -> None:
        """All files as they are. Of a directory that it cannot open git only warns, and takes it for unchanged."""
        for again in (opens, False):
            done = self._run("add", "--all", "--", ":/", codes=(0, 128))
            said = done.stderr.decode(errors="replace")
            if again and "ermission denied" in said:
                self.make_readable()
            elif "could not open directory" in said and len(max(said.splitlines(), key=len)) > _MAX_PATH - 200:
                # git's message is cut before it says why.
                raise TaskFailed("PathTooLong", f"the directory has paths of over {_MAX_PATH} bytes, git saves none")
            elif done.returncode and (told := filters.failed(GitError(["add"], done.returncode, said))):
                raise TaskFailed("FilterFailed", told)
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
        fields = records(self._git("diff-tree", "-r", "--no-renames", "--raw", "-z", base, tree))
        found = []
        for entry, path in zip(fields[::2], fields[1::2], strict=True):
            _, mode, _, blob, _ = entry.split(" ")
            if mode == LINK:
                target = os.fsdecode(self.hub.blob(blob))
                leads = os.path.normpath(os.path.join(os.path.dirname(path), target))
                if leads.split("/")[0] in ("..", "", ".git"):
                    found.append(f"{path} → {target}")
        return found

    def _written(self, base: str) -> tuple[str, list[filters.Changed]]:
        """The index as a tree, and `(path, old mode, new mode)` of what differs from a commit."""
        tree = text(self._git("write-tree"))
        fields = records(self._git("diff-tree", "-r", "--no-renames", "--raw", "-z", base, tree))
        modes = (entry.lstrip(":").split() for entry in fields[::2])
        return tree, [(path, old, new) for (old, new, *_), path in zip(modes, fields[1::2], strict=True)]

    def _open_nested_repositories(self) -> None:
        """Repositories that an agent made become plain directories."""
        for folder in walk(self.path):
            if folder.path and ".git" in (*folder.folders, *folder.files):
                remove(self.path / folder.path / ".git")
                self.opened.append(folder.path)
            folder.folders[:] = [name for name in folder.folders if name != ".git"]

    def not_as_checked_out(self) -> tuple[list[str], list[str]]:
        """Paths that are new (ignored ones too; whole directories where all is new), and changed ones."""
        new = records(self._git("ls-files", "--others", "--directory", "-z"))
        changed = records(self._git("diff-files", "--name-only", "--diff-filter=AMT", "-z"))
        return [path.rstrip("/") for path in new], changed

    def is_filtered(self) -> bool:
        """Whether content filters apply to any of its files."""
        return bool(self._git("ls-files", "-z", "--", ":(top,exclude,attr:!filter)"))

    def ignored(self) -> list[str]:
        """Files and directories that git ignores."""
        listed = self._git(*_IGNORED, "--directory", "-z")
        return [path for path in records(listed) if path != ".git/"]

    def ignored_files(self, globs: Sequence[str]) -> list[str]:
        """Files that git ignores and one of the globs covers."""
        beneath = ["/".join(literal_prefix(glob)) for glob in globs]
        asked = [] if "" in beneath else ["--", *(f":(top,literal){path}" for path in beneath)]
        listed = records(self._git(*_IGNORED, "-z", *asked))
        return [path for path in listed if not path.endswith("/") and any(matches(glob, path) for glob in globs)]

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
            *arguments,
            git_dir=self.hub.path,
            work_tree=self.path,
            index=self.index,
            config=self.settings,
            codes=codes,
            stdin=stdin,
            environment=environment,
        )


def _nul(paths: Sequence[str]) -> bytes:
    return b"".join(os.fsencode(path) + b"\0" for path in paths)


def _same(one: Path, other: Path) -> bool:
    """Whether two files have the same content, as far as they can be read."""
    try:
        return not one.is_symlink() and filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False


def carry_over(hub: Hub, start_tree: str, end_tree: str, base: str) -> str:
    """`base`'s tree with what changed from start to end: leaves out what `setup` and `include` brought.

    Where both touched the same lines the end tree stands as it is.
    """
    ours, theirs = hub.siblings(start_tree, base, end_tree)
    arguments = ("merge-tree", "--write-tree", "-z", "--no-messages", ours, theirs)
    answer = records(git(*arguments, git_dir=hub.path, codes=(0, 1)))
    return answer[0] if len(answer) == 1 else end_tree
