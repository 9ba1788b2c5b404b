"""Record type of a language's own checker, what it is run on, and what it says."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

_MAX_QUOTED = 300


class Message(NamedTuple):
    """Message of a checker about one place of a tree; `line` counts from 1, 0: of the whole file."""

    path: str
    line: int
    rule: str
    text: str


class CheckerFailed(Exception):
    """A checker did not check: it is missing, crashed, or printed what cannot be read; the text says why."""


class Job(NamedTuple):
    """One run of a checker. All paths are relative to the tree; an empty one is its top.

    `folder`: the project, in which it runs. `config`: the file that makes a project of it, None without one.
    `within`: the part of the project that is checked, with its own imports first; empty: all of it. `files`: those that
    are looked at; empty: all.
    """

    checker: str
    folder: str
    config: str | None = None
    within: str = ""
    files: tuple[str, ...] = ()


class Place(NamedTuple):
    """Where a job runs: the tree, a folder for caches and generated files, and the command that starts the program."""

    tree: Path
    cache: Path
    program: Sequence[str]

    def folder(self, job: Job) -> Path:
        """The folder of the job's project."""
        return self.tree / job.folder


class Output(NamedTuple):
    """Output of a run."""

    code: int
    out: str
    err: str

    def failure(self) -> CheckerFailed:
        """The error of a run that printed no messages, with the end of what it printed instead."""
        return CheckerFailed(f"ended with {self.code}: {self.err.strip()[-_MAX_QUOTED:]}")


@dataclass(frozen=True)
class Checker:
    """A program that says what is wrong in the files of a language."""

    name: str
    language: str
    """Language for people."""
    suffixes: tuple[str, ...]
    """Ends of the names of the files that it reads."""
    configs: tuple[str, ...]
    """Names of files that make a project of their folder, the most telling first."""
    programs: tuple[str, ...]
    """Where it is found, in order: a path is relative to the project or a folder above it, a name is one of PATH."""
    command: Callable[[Place, Job], list[str]]
    """The command line of a job."""
    read: Callable[[Place, Job, Output], Iterable[Message]]
    """Its messages, with paths relative to the tree; raises `CheckerFailed` where it did not check."""
    asked_for: re.Pattern[bytes] | None = None
    """Pattern found in a configuration (name, line break, content) of a project that uses the checker.

    Such a project has to bring the program; None: every project is read.
    """
    needs_config: bool = True
    """Whether files outside of projects are not checked."""
    outermost: bool = False
    """Whether a file belongs to the topmost project above it, and not to the nearest."""
    parts_of: Callable[[str, Collection[str], Iterable[str]], Iterable[str]] = lambda folder, tree, changed: ("",)
    """Gives the parts (`Job.within`) of a project, from its folder, the paths of the tree and its changed files."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Variables of its processes; `{cache}` stands for `Place.cache`."""
    homes: Mapping[str, str] = field(default_factory=dict)
    """Variables that name a folder of the user's home, relative to it."""
    readable: tuple[str, ...] = ()
    """Folders of the user's home that the program needs: what it consists of, and what it has downloaded."""
    takes_files: bool = False
    """Whether it can look at some files of a project, and follow their imports."""
    each_alone: bool = False
    """Whether it reads every file by itself, so that only changed ones are read."""
    module_folder: bool = False
    """Whether a module is a folder, and not a file."""
    unread: re.Pattern[str] | None = None
    """Text of messages because of which it does not read all."""
    reads_on: bool = False
    """Whether it reads the rest nevertheless, so that what it says of it counts."""
    decides: bool = False
    """Whether it sees every use of a name, so that a conflict which only symbols show is none."""
    shares_cache: bool = False
    """Whether all workspaces share its cache: it runs nothing of what it reads, and names entries by their content."""
    left_out: frozenset[str] = frozenset()
    """Rules that do not say whether the parts of a program fit together."""
    may_miss: Callable[[Message, bytes], bool] = lambda message, content: False
    """Whether the program handles what a message of a file says is missing."""

    reads: Callable[[str], bool] | None = None
    """Whether it reads the file of a path, where that is not decided by the ends of names."""

    def program(self, folders: Iterable[Path], path: str | None = None) -> str | None:
        """Its program, in one of the folders or by a PATH (default: this process's); None where there is none."""
        for name in self.programs:
            is_relative = "/" in name and not os.path.isabs(name)
            places = [str(folder / name) for folder in folders] if is_relative else [name]
            if found := next(filter(None, (shutil.which(place, path=path) for place in places)), None):
                # A PATH may have relative folders; it runs in another one.
                return os.path.abspath(found)
        return None

    def concerns(self, path: str) -> bool:
        """Whether the content of a file can change what it says."""
        if self.reads is not None:
            return self.reads(path)
        return path.endswith(self.suffixes) or os.path.basename(path) in self.configs

    def modules(self, paths: Iterable[str]) -> set[str]:
        """Names by which other files import those of the paths."""
        found = set()
        for path in filter(self.concerns, paths):
            parts = PurePosixPath(path)
            is_folder = self.module_folder or parts.stem in ("__init__", "index", "mod")
            found.add(parts.parent.name if is_folder else parts.stem)
        return found - {""}

    def jobs(self, tree: Collection[str], changed: Iterable[str]) -> list[Job]:
        """A job for each part of each project that has changed files."""
        configs = {path for path in tree if os.path.basename(path) in self.configs}
        projects: dict[tuple[str, str | None], list[str]] = {}
        for path in sorted(filter(self.concerns, changed)):
            if (project := self._project(path, configs)) is not None:
                projects.setdefault(project, []).append(path)
        return [
            Job(self.name, folder, config, part)
            for (folder, config), files in projects.items()
            for part in self.parts_of(folder, tree, files)
        ]

    def is_asked_for(self, folder: str, file: Callable[[str], bytes | None]) -> bool:
        """Whether the project in a folder uses it; `file` gives the content of a path."""
        if self.asked_for is None:
            return True
        found = ((name, file(os.path.join(folder, name))) for name in self.configs)
        return any(self.asked_for.search(name.encode() + b"\n" + text) for name, text in found if text is not None)

    def _project(self, path: str, configs: Collection[str]) -> tuple[str, str | None] | None:
        """Folder and configuration of the project of a file; None for one outside of projects that are checked."""
        above = ["" if str(each) == "." else str(each) for each in PurePosixPath(path).parents]
        for folder in reversed(above) if self.outermost else above:
            for name in self.configs:
                if (config := os.path.join(folder, name)) in configs:
                    return folder, config
        return None if self.needs_config else ("", None)


def relative(path: str, place: Place, job: Job) -> str | None:
    """A path that a checker printed, relative to the tree; None for a file outside of it."""
    whole = os.path.normpath(os.path.join(place.folder(job), path))
    inside = os.path.relpath(whole, place.tree)
    return None if inside.startswith("..") else inside
