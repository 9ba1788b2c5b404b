"""Deliveries by hand: what plain git makes of a person's own edits, to compare ours with."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support import fingerprint

ENVIRONMENT = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
Stored = dict[str, tuple[str, str, Path]]
"""Mode, blob and repository of each path."""


def git(path: Path, *arguments: str, optional_locks: bool = False) -> bytes:
    """Output of git in a repository; it must succeed."""
    env = {**os.environ, **ENVIRONMENT, "GIT_OPTIONAL_LOCKS": "1" if optional_locks else "0"}
    done = subprocess.run(["git", *arguments], cwd=path, env=env, capture_output=True, check=False)
    assert done.returncode == 0, f"git {arguments}: {done.stderr.decode(errors='replace')}"
    return done.stdout


def status(path: Path) -> bytes:
    """The status, which refreshes the index as a user's does."""
    return git(path, "status", "--porcelain", "-z", optional_locks=True)


def edit(path: Path, edits: Iterable[str]) -> None:
    """The edits, one after the other, in a work tree."""
    for run in edits:
        subprocess.run(["bash", "-euo", "pipefail", "-c", run], cwd=path, check=True, capture_output=True)


def stored(repository: Path, name: str) -> Stored:
    """All files of a tree, those of submodules from their own repositories."""
    found: Stored = {}
    for row in git(repository, "ls-tree", "-r", "-z", name).split(b"\0")[:-1]:
        about, raw = row.split(b"\t", 1)
        mode, _, blob = about.decode().split(" ")
        path = os.fsdecode(raw)
        if mode == "160000" and (repository / path / ".git").exists():
            inner = stored(repository / path, blob)
            found |= {f"{path}/{each}": entry for each, entry in inner.items()}
        else:
            found[path] = mode, blob, repository
    return found


def blobs(of: Stored) -> dict[str, tuple[str, str]]:
    return {path: (mode, blob) for path, (mode, blob, _) in of.items()}


def content(of: Stored, path: str, within: Path) -> tuple[str, bytes]:
    """Mode and content of a file as its repository checks it out. `within`: the work tree that has it."""
    mode, blob, repository = of[path]
    inner = os.path.relpath(within / path, repository)
    how = ("cat-file", "blob", blob) if mode == "120000" else ("cat-file", "--filters", f"--path={inner}", blob)
    return mode, git(repository, *how)


def added(path: Path) -> Stored:
    """Tree that the user's own `git add --all` makes of a work tree, submodules committed."""
    inner = [file.parent for file in path.rglob(".git") if file.parent != path]
    for module in sorted(inner, key=lambda each: -len(each.parts)):
        git(module, "add", "--all")
        git(module, "-c", "user.name=Ada", "-c", "user.email=a@b", "commit", "--allow-empty", "--quiet", "-m", "all")
    git(path, "add", "--all")
    return stored(path, git(path, "write-tree").decode().strip())


def in_tree(path: Path, name: str) -> tuple[str, bytes]:
    """Mode and content of a file of a work tree, in git's terms."""
    file = path / name
    if file.is_symlink():
        return "120000", os.fsencode(os.readlink(file))
    return "100755" if file.stat().st_mode & 0o100 else "100644", file.read_bytes()


@dataclass(frozen=True)
class Seen:
    """A folder of repositories at a moment, without objects, which are only ever added."""

    files: Mapping[str, str]

    @classmethod
    def of(cls, root: Path) -> Seen:
        found = {}
        for name, value in fingerprint(root).items():
            parts = name.split("/")
            if not {"objects", "lfs"} & set(parts):
                # When git last wrote a file of its own says nothing: it does so where it reads a split index.
                found[name] = value.rsplit(" ", 1)[0] if ".git" in parts else value
        return cls(found)

    def changed(self, later: Seen, *, modes: bool = True) -> set[str]:
        """Files that are not the same; with `modes` false, what differs in its mode alone is."""
        names = self.files.keys() | later.files.keys()
        pairs = ((name, self.files.get(name), later.files.get(name)) for name in names)
        return {name for name, old, new in pairs if (old != new if modes else _no_mode(old) != _no_mode(new))}


def _no_mode(value: str | None) -> list[str] | None:
    return None if value is None else [part for at, part in enumerate(value.split(" ")) if at != 1]
