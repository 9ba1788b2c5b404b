"""Repositories for the demos, made on the spot."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path


def make_repository(path: Path, files: Mapping[str, str], message: str) -> None:
    """A repository with one commit, in place of what was there."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    for name, text in files.items():
        (path / name).write_text(text)
    for argv in (
        ["init", "--quiet", "--initial-branch", "main"],
        ["config", "user.name", "Demo"],
        ["config", "user.email", "demo@example.org"],
        ["add", "--all"],
        ["commit", "--quiet", "--message", message],
    ):
        subprocess.run(["git", *argv], cwd=path, check=True)
