"""Corpus of made merges that git calls clean: half of them are broken, each confirmed by running it.

A YAML file a language, a document of cases each: `name`, `broken`, `why`, the files of `base`, those that `ours` and
`theirs` change (null: deleted), and `confirm`, a shell command that ends with 0 on both sides, and on the merge exactly
where it is right.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from epw.core import strict_yaml

FOLDER = Path(__file__).parent
Files = dict[str, str | None]
_GIT = ("git", "-c", "user.name=corpus", "-c", "user.email=corpus@example.com", "-c", "core.autocrlf=false")


@dataclass(frozen=True)
class Case:
    language: str
    name: str
    broken: bool
    why: str
    base: Files
    ours: Files
    theirs: Files
    confirm: str

    def __str__(self) -> str:
        return f"{self.language}/{self.name}"


def cases(*languages: str) -> Iterator[Case]:
    """The cases of some languages, or of all."""
    for path in sorted(FOLDER.glob("*.yaml")):
        if not languages or path.stem in languages:
            yield from _read(path)


@cache
def _read(path: Path) -> tuple[Case, ...]:
    return tuple(Case(path.stem, **row) for row in strict_yaml.load(path.read_text()))


def repository(case: Case, folder: Path) -> Path:
    """A repository with the branches `base`, `ours` and `theirs` of a case."""
    folder.mkdir(parents=True)
    _git(folder, "init", "--quiet", "--initial-branch=base")
    _commit(folder, case.base, "base")
    for side, files in (("ours", case.ours), ("theirs", case.theirs)):
        _git(folder, "checkout", "--quiet", "-b", side, "base")
        _commit(folder, files, side)
    _git(folder, "checkout", "--quiet", "base")
    return folder


def _commit(folder: Path, files: Files, message: str) -> None:
    for path, content in files.items():
        place = folder / path
        if content is None:
            place.unlink()
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content)
    _git(folder, "add", "--all", "--force")
    _git(folder, "commit", "--quiet", "--message", message)


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run([*_GIT, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def merged_tree(folder: Path) -> str | None:
    """The tree of git's own merge of both sides; None where it does not merge."""
    argv = [*_GIT, "merge-tree", "--write-tree", "ours", "theirs"]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout.split()[0] if done.returncode == 0 else None
