"""Where git keeps the repository of a directory."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from activities.git.command import git, text
from epw.core.errors import GitError, InvalidPlan, Problem

_SHARED, _OWN = ("objects", "shallow"), ("index",)
"""Parts that linked work trees share, and those that each has by itself."""


def git_directory(directory: Path, safe: list[str]) -> tuple[Path, bool] | None:
    """The git directory and whether the repository is bare; None for a plain directory."""
    try:
        argv = ("rev-parse", "--is-bare-repository", "--absolute-git-dir")
        answer = git(*argv, cwd=directory, config=[f"safe.directory={each}" for each in safe])
    except GitError as error:
        if "dubious ownership" in error.stderr:
            raise unusable(f"{directory} belongs to another user; allow it by git's safe.directory") from None
        if "not a git repository" not in error.stderr or os.path.lexists(directory / ".git"):
            look = f"git -C {shlex.quote(str(directory))} status"
            raise unusable(f"{directory}: git says: {' '.join(error.stderr.split())}; look: {look}") from None
        return None
    is_bare, git_dir = text(answer).split("\n", 1)
    return Path(git_dir), is_bare == "true"


def common_directory(git_dir: Path) -> Path:
    """What a git directory shares with other work trees: itself, unless it is a linked one's (gitrepository-layout)."""
    link = git_dir / "commondir"
    return Path(os.path.normpath(git_dir / link.read_text().rstrip("\n"))) if link.is_file() else git_dir


def path_in(git_dir: Path, name: str, directory: Path, trust: Sequence[str]) -> Path:
    """Path of a part of the repository of a directory; of what is read often, git is not asked.

    `trust`: settings by which git enters it.
    """
    if name in _SHARED:
        return common_directory(git_dir) / name
    if name in _OWN:
        return git_dir / name
    return (directory / text(git("rev-parse", "--git-path", name, cwd=directory, config=trust))).absolute()


def unusable(message: str) -> InvalidPlan:
    """The exception for a directory that cannot be a workspace."""
    return InvalidPlan([Problem("workspace", message)])
