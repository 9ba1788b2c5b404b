"""The user's own git: commands that they could have typed, with their configuration, hooks, keys and credentials."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from activities.git.command import text
from activities.processes.children import running
from activities.system.file_modes import user_umask
from epw.core.plan.git_url import is_url

_OF_ONE_REPOSITORY = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY"),
    *("GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE", "GIT_PREFIX", "GIT_IMPLICIT_WORK_TREE"),
)
"""Variables that git sets for its hooks: they would lead to another repository than the one that is meant."""
_RUNS_NOTHING = ("--no-ext-diff", "--no-textconv")
"""Neither a program that attributes of a tree choose, nor one that the user has set for differences."""


_ASKS_NOBODY = {"GIT_TERMINAL_PROMPT": "0", "GH_PROMPT_DISABLED": "1", "SSH_ASKPASS_REQUIRE": "never"}
_PATIENCE_SECONDS = 0.2


class UserGit:
    """Git in a repository of the user's, as the user."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def says(self, *arguments: str) -> str | None:
        """The output of a command that only reads, without its end; None where it fails."""
        argv = ["git", *arguments]
        done = subprocess.run(
            argv, cwd=self._root, env=_environment(), stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        return text(done.stdout) if done.returncode == 0 else None

    def run(self, *arguments: str, output_to_stderr: bool = False) -> int:
        """Exit code of a command that has the terminal: it may ask, page and open an editor."""
        return in_foreground(["git", *arguments], self._root, output_to_stderr=output_to_stderr)

    @property
    def head(self) -> str | None:
        """The commit of HEAD."""
        return self.says("rev-parse", "--verify", "--quiet", "HEAD^{commit}")

    @property
    def branch(self) -> str | None:
        """The branch that is checked out; None where HEAD is detached."""
        return self.says("symbolic-ref", "--quiet", "--short", "HEAD")

    @property
    def is_merging(self) -> bool:
        return self.merges is not None

    @property
    def unmerged(self) -> list[str]:
        """Paths that wait for a person."""
        listed = self.says("diff", "--name-only", "--diff-filter=U", "-z", *_RUNS_NOTHING)
        return [path for path in (listed or "").split("\0") if path]

    @property
    def merges(self) -> str | None:
        """The commit whose merge is under way."""
        return self.says("rev-parse", "--verify", "--quiet", "MERGE_HEAD")

    def has_taken(self, commit: str) -> Literal["index", "head"] | None:
        """Where the change is that leads to `commit` from where it left HEAD, without being merged.

        `index`: each of its files is staged so, as after `git merge --squash`. `head`: HEAD has them so, or a commit
        of each patch, as after a squash, a rebase and a cherry-pick.
        """
        if not (fork := self.says("merge-base", "HEAD", commit)):
            return None
        if not (changed := self._names("diff-tree", "-r", fork, commit)):
            return None
        if not changed & self._names("diff-tree", "-r", "HEAD", commit):
            return "head"
        if not changed & self._names("diff-index", "--cached", commit):
            return "index"
        listed = (self.says("cherry", "HEAD", commit) or "+").split("\n")
        return "head" if all(each.startswith("-") for each in listed) else None

    def in_the_way_of(self, commit: str) -> list[str]:
        """Paths with uncommitted content over which git stops before it merges `commit`."""
        written = self._names("diff-tree", "-r", "HEAD", commit)
        untracked = (self.says("ls-files", "--others", "--exclude-standard", "-z") or "").split("\0")
        return sorted(written & (self._names("diff-index", "HEAD") | set(untracked)))

    def _names(self, command: str, *arguments: str) -> set[str]:
        """Paths that a comparison of git lists."""
        listed = self.says(command, "--name-only", "--no-renames", "-z", *_RUNS_NOTHING, *arguments)
        return {path for path in (listed or "").split("\0") if path}

    def setting(self, name: str) -> str | None:
        return self.says("config", "--get", name) or None

    @property
    def remotes(self) -> list[str]:
        return (self.says("remote") or "").split("\n") if self.says("remote") else []

    def address(self, remote: str, *, to_push: bool = False) -> str | None:
        """The URL of a remote, given by name or as a URL, as the user's `insteadOf` makes it."""
        if is_url(remote):
            # A mirror on this machine is not where the forge is.
            found = self.says("ls-remote", "--get-url", "--", remote)
            return remote if found is None or found.startswith(("/", "file:")) else found
        return self.says("remote", "get-url", *(["--push"] if to_push else []), "--", remote)


def show_diff(hub: Path, before: str, after: str, *options: str) -> int:
    """Show the difference of two commits of the hub by the user's git: their pager, colours and settings.

    Git reads the hub alone, so no configuration or attribute of a work tree has a say.
    """
    argv = ["git", f"--git-dir={hub}", "diff", *_RUNS_NOTHING, *options, before, after, "--"]
    return in_foreground(argv, hub)


def in_foreground(argv: Sequence[str], folder: Path, *, output_to_stderr: bool = False) -> int:
    """Exit code of a program of the user's that has the terminal; Ctrl-C is meant for it."""
    with _leaving_interrupts_to_children():
        out = sys.stderr if output_to_stderr else None
        return subprocess.run(
            argv, cwd=folder, env=_environment(), stdout=out, umask=user_umask(), check=False
        ).returncode


def captured(
    argv: Sequence[str],
    folder: Path,
    gives_up: Callable[[], bool] | None = None,
    variables: Mapping[str, str] | None = None,
    holds: Sequence[int] = (),
) -> tuple[int, str, str]:
    """Exit code, output and errors of a program of the user's.

    `gives_up`: says when to end it, with what it has started; it has no terminal then and can ask nobody.
    `variables`: set beside the user's own. `holds`: descriptors of locks that it keeps.
    """
    silent = {} if gives_up is None else _ASKS_NOBODY
    options: dict[str, Any] = {
        "cwd": folder,
        "env": {**_environment(), **silent, **(variables or {})},
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "umask": user_umask(),
        "pass_fds": tuple(holds),
    }
    if gives_up is None:
        done = subprocess.run(argv, check=False, **options)
        return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    # In the table of children: what is in a session of its own and not there is ended as an agent's.
    with running(argv, **options) as process:
        said, errors = _communicated(process, gives_up)
    return process.returncode, said.decode(errors="replace"), errors.decode(errors="replace")


def _communicated(process: subprocess.Popen[bytes], gives_up: Callable[[], bool]) -> tuple[bytes, bytes]:
    while True:
        try:
            return process.communicate(timeout=_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            if gives_up():
                os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def _leaving_interrupts_to_children() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _OF_ONE_REPOSITORY}
