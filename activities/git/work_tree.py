"""Work tree of an attempt: files checked out of the hub (`save_tree` stores them back into it).

Our index and our git directory are outside of it; the `.git` inside is the agent's own and never read.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Collection, Sequence
from pathlib import Path

from activities.git.agent_repository import AgentRepository
from activities.git.command import LINK, GitLocation, differences, git, records
from activities.git.filters import clear_text, filter_drivers
from activities.git.hub import Hub
from activities.system.directories import leads_out, walk
from epw.core import failures
from epw.core.errors import GitError, TaskFailed
from epw.core.globs import literal_prefix, matches

_IGNORED = ("ls-files", "--others", "--ignored", "--exclude-standard")


class WorkTree:
    """A directory, its index and the settings by which git works in it."""

    def __init__(
        self, hub: Hub, path: Path, index: Path, settings: Sequence[str], *, git_dir: Path | None = None
    ) -> None:
        """`settings`: what is ignored and how content is stored; `git_dir`: one with the hub's objects, or the hub."""
        self.hub = hub
        self.path = path
        self.index = index
        self.settings = settings
        self.git_dir = git_dir or hub.path
        self.before: str | None = None
        """The commit that it is filled from, with pointers to submodules; None: the one given to a method."""
        self.agent: AgentRepository | None = None
        """The agent's own repository: files that it tracks are saved too, ignored or not."""
        self.parts: dict[str, WorkTree] = {}
        """Submodules that have files, by path: each is saved with its own settings."""
        self.lost: Collection[str] = ()
        """Paths of submodules that were there at the start and no longer are."""
        self.is_encoded = False
        """Whether a driver encodes some of the files."""

    @property
    def fresh_index(self) -> Path:
        """The index as of the checkout: which files there were, and their times."""
        return self.index.with_name(f"{self.index.name}.fresh")

    @property
    def place(self) -> GitLocation:
        """Directories of git commands on it."""
        return GitLocation(git_dir=self.git_dir, work_tree=self.path, index=self.index)

    def check_out(self, commit: str) -> None:
        """Fill the directory with the files of a commit: an empty one, or a recycled one.

        In a recycled one every file that is not as it was checked out, by its times, is written again. With submodules
        the commit is a flat one. Raises `TaskFailed` if a filter fails.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if self.fresh_index.exists():
            shutil.copyfile(self.fresh_index, self.index)
        try:
            self._git("read-tree", "-u", "--reset", self.before or commit)
        except GitError as error:
            if message := filter_drivers.failure_message(error):
                raise TaskFailed(failures.FILTER_FAILED, message) from None
            raise
        for part in self.parts.values():
            part.check_out(part.before or "")
        # Kept as it is now: what `setup` adds later was staged by nobody.
        shutil.copyfile(self.index, self.fresh_index)

    def adopt(self, other: WorkTree) -> None:
        """Take the directory and the index of another work tree, which is gone afterwards."""
        other.path.rename(self.path)
        other.fresh_index.rename(self.fresh_index)

    def tracked(self) -> list[str]:
        """The paths of the last checkout."""
        return records(git("ls-files", "-z", git_dir=self.hub.path, index=self.fresh_index))

    def changes(self, base: str, tree: str, place: GitLocation | None = None) -> list[clear_text.Changed]:
        """Paths that differ between two trees or commits; `place`: where the objects are, if not in the hub."""
        argv = ("diff-tree", "-r", "--no-renames", "--raw", "-z", base, tree)
        found = differences(git(*argv, config=self.settings, **(place or self.place)))
        return [(each.path, each.old_mode, each.mode) for each in found]

    def not_as_checked_out(self) -> tuple[list[str], list[str]]:
        """New paths (ignored ones too; a directory with new files only as one path), and changed ones."""
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
        """Files that git ignores and that match one of the globs; `folder`: the work tree's path for the globs."""
        beneath = ["" if folder else "/".join(literal_prefix(glob)) for glob in globs]
        pathspecs = [] if "" in beneath else ["--", *(f":(top,literal){path}" for path in beneath)]
        listed = (os.path.join(folder, path) for path in records(self._git(*_IGNORED, "-z", *pathspecs)))
        files = [path for path in listed if not path.endswith("/") and any(matches(glob, path) for glob in globs)]
        return files + [
            file for path, part in self.parts.items() for file in part.ignored_files(globs, os.path.join(folder, path))
        ]

    def links_out(self, base: str, tree: str) -> list[str]:
        """New or changed links that lead out of the directory, or into its `.git`."""
        found = []
        for each in self.hub.diff_files(base, tree):
            if each.mode == LINK and leads_out(each.path, target := os.fsdecode(self.hub.blob(each.new))):
                found.append(f"{each.path} → {target}")
        return found

    def make_readable(self) -> None:
        """Give the owner back the modes that an agent took away; git keeps only whether a file is executable."""
        os.chmod(self.path, 0o700)
        for folder in walk(self.path):
            for name in (*folder.folders, *folder.files):
                mode = os.stat(name, dir_fd=folder.descriptor, follow_symlinks=False).st_mode
                if stat.S_ISDIR(mode) or stat.S_ISREG(mode):
                    wanted = stat.S_IMODE(mode) | (0o700 if stat.S_ISDIR(mode) else 0o400)
                    os.chmod(name, wanted, dir_fd=folder.descriptor)

    def _git(self, *arguments: str) -> bytes:
        return git(*arguments, config=self.settings, **self.place)
