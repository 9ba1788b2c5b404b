"""A directory of files that belongs to an attempt: checked out of the hub, saved back into it.

Our index and our GIT_DIR stay outside it; the `.git` inside is the agent's own and never read.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from activities.directories import remove, walk
from activities.git import filters
from activities.git.command import GITLINK, LINK, Place, git, records, run_git, text
from activities.git.hub import Hub
from activities.git.left_behind import AgentRepository
from workflows.errors import GitError, TaskFailed

_MAX_PATH = 4096
_LISTED = ("--pathspec-from-file=-", "--pathspec-file-nul")
_LITERALLY = {"GIT_LITERAL_PATHSPECS": "1"}


class WorkTree:
    def __init__(self, hub: Hub, path: Path, index: Path, settings: Sequence[str]) -> None:
        self.hub = hub
        self.path = path
        self.index = index
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
        self, base: str, *, opens: bool = True, agents: AgentRepository | None = None
    ) -> tuple[str, list[str]]:
        """The tree of all files as they are now, ignored ones left out, and the paths that differ from `base`'s.

        Repositories inside become plain directories, and what is not readable becomes so; with `opens` false the
        tree stays as it is, repositories left out. `agents`: what its own git tracks counts too, ignored or not.
        """
        try:
            self._add(opens=opens)
        except GitError as error:
            if "does not have a commit checked out" not in error.stderr or not opens:
                raise
            self._open_nested_repositories()
            self._add()
        if agents is not None:
            self._track(agents)
        tree, changes = self._written(base)
        nested = [path for path, old, new in changes if new == GITLINK and old != GITLINK]
        for path in nested:
            # A repository inside would be saved as a bare commit id, its files lost.
            if opens:
                remove(self.path / path / ".git")
            self._git("update-index", "--force-remove", "--", path)
            if opens:
                self._add()
        if nested:
            tree, changes = self._written(base)
        place = Place(git_dir=self.hub.path, work_tree=self.path, index=self.index)
        try:
            if filters.settle(base, changes, self.settings, **place):
                tree, changes = self._written(base)
        except filters.Undriven as error:
            raise TaskFailed("FilterMissing", str(error), final=True) from None
        return tree, [path for path, _, _ in changes]

    def _track(self, agents: AgentRepository) -> None:
        """Ignored files that the agent has added by force, and none that it has committed not to track any more."""
        theirs, ours = agents.tracked(), set(records(self._git("ls-files", "-z")))
        if not theirs or theirs == ours:
            return
        forced = [
            path for path in sorted(theirs - ours) if (self.path / path).is_symlink() or (self.path / path).is_file()
        ]
        if forced:
            self._run("add", "--force", *_LISTED, environment=_LITERALLY, stdin=_nul(forced))
        given_up = agents.untracked_by_commit(ours - theirs)
        if given_up:
            argv = ("check-ignore", "--no-index", "-z", "--stdin")
            ignored = self._run(*argv, stdin=_nul(given_up), codes=(0, 1)).stdout
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
            folder.folders[:] = [name for name in folder.folders if name != ".git"]

    def not_as_checked_out(self) -> tuple[list[str], list[str]]:
        """Paths that are new (ignored ones too; whole directories where all is new), and changed ones."""
        new = records(self._git("ls-files", "--others", "--directory", "-z"))
        changed = records(self._git("diff-files", "--name-only", "--diff-filter=AMT", "-z"))
        return [path.rstrip("/") for path in new], changed

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


def carry_over(hub: Hub, start_tree: str, end_tree: str, base: str) -> str:
    """`base`'s tree with what changed from start to end: leaves out what `setup` and `include` brought.

    Where both touched the same lines the end tree stands as it is.
    """
    ours, theirs = hub.siblings(start_tree, base, end_tree)
    arguments = ("merge-tree", "--write-tree", "-z", "--no-messages", ours, theirs)
    answer = records(git(*arguments, git_dir=hub.path, codes=(0, 1)))
    return answer[0] if len(answer) == 1 else end_tree
