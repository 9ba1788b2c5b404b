"""Runner of checkers on trees of a hub: in one directory that goes from tree to tree, contained like an attempt."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from activities.attempt.attempt import Attempt
from activities.checkers.checker import Checker, CheckerFailed, Job, Message, Output, Place
from activities.system.atomic_write import write_atomically
from activities.system.concurrency import in_thread

_MAX_SECONDS = 300.0
_MAX_OUTPUT_BYTES = 32 * 1024 * 1024
_REDIRECT = 'out=$1 err=$2; shift 2; exec "$@" >"$out" 2>"$err"'
INSTALLED = ("node_modules", ".venv")
"""Folders of installed packages and programs, which git ignores."""


@dataclass(frozen=True)
class TreeRunner:
    """Runner in the directory of an attempt, which is set up already.

    `cache`: folder for what checkers keep between runs. `beside`: a work tree whose installed packages and programs are
    used where the tree has none.
    """

    attempt: Attempt
    cache: Path
    beside: Path | None = None
    niceness: int = 0
    """Niceness of the checkers, 0 to 19."""

    async def messages(self, checker: Checker, job: Job, commit: str) -> list[Message]:
        """Messages of one job about the tree of a commit; raises `CheckerFailed` where it does not check."""
        await in_thread(self._go_to, commit)
        tree = self.attempt.directory.tree
        if not (tree / job.folder).is_dir():
            return []
        if job.files:
            there = tuple(path for path in job.files if (tree / path).is_file())
            if not there:
                return []
            job = job._replace(files=there)
        with self._installed_beside(tree / job.folder):
            place = Place(tree, self._cache_of(checker), [self._program(checker, tree / job.folder)])
            command = await in_thread(checker.command, place, job)
            output = await self._run(checker, command, place, place.folder(job))
        found: list[Message] = await in_thread(lambda: list(checker.read(place, job, output)))
        # The directory is another one each time.
        return [each._replace(text=each.text.replace(f"{tree}/", "")) for each in found]

    def identity(self, checker: Checker, job: Job) -> list[str | int]:
        """What a result depends on apart from the tree: the program, and what is installed. Raises `CheckerFailed`."""
        folder = self.attempt.directory.tree / job.folder
        with self._installed_beside(folder):
            program = self._program(checker, folder)
            found = [os.stat(path) for path in (Path(program), *self._installed())]
        return [program, *(number for each in found for number in (each.st_mtime_ns, each.st_size))]

    def brings(self, checker: Checker, job: Job) -> bool:
        """Whether a checker is installed, in the project where it has to be."""
        try:
            self.identity(checker, job)
        except CheckerFailed:
            return False
        return True

    def _go_to(self, commit: str) -> None:
        directory = self.attempt.directory
        if directory.start != commit:
            write_atomically(directory.path / "start", commit.encode(), survives_power_loss=False)
            directory.work_tree.check_out(commit)

    async def _run(self, checker: Checker, command: list[str], place: Place, folder: Path) -> Output:
        launcher = self.attempt.launcher
        homes = {name: Path.home() / path for name, path in checker.homes.items()}
        homes = {name: path for name, path in homes.items() if path.is_dir()}
        needed = [Path.home() / path for path in checker.readable]
        # Programs that are installed with this one.
        needed += [Path(each) for each in {sys.prefix, sys.base_prefix} if Path(place.program[0]).is_relative_to(each)]
        if (packages := Path(place.program[0]).parent).name == ".bin":
            needed.append(packages.parent)
        needed += _installation_of(packages / "python")
        variables = {name: value.format(cache=place.cache) for name, value in checker.variables.items()}
        launcher = replace(
            launcher,
            variables={**launcher.variables, **{name: str(path) for name, path in homes.items()}, **variables},
            readable=[*launcher.readable, *needed, *self._installed()],
            writable=[*launcher.writable, place.cache],
        )
        out, err = (launcher.folder / f"checker.{name}" for name in ("out", "err"))
        if self.niceness:
            command = ["nice", "-n", str(self.niceness), *command]
        process = await launcher.start(["sh", "-c", _REDIRECT, "sh", str(out), str(err), *command], cwd=folder)
        try:
            code = await asyncio.wait_for(process.wait(), _MAX_SECONDS)
        except TimeoutError:
            raise CheckerFailed(f"did not end within {_MAX_SECONDS:.0f} s") from None
        finally:
            await process.end()
        return Output(code, _text(out), _text(err))

    def _cache_of(self, checker: Checker) -> Path:
        shared = self.attempt.directory.execution.state.checks(None)
        cache = (shared if checker.shares_cache else self.cache) / checker.name
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        return cache

    def _installed(self) -> list[Path]:
        return [path for name in INSTALLED if self.beside and (path := self.beside / name).is_dir()]

    @contextmanager
    def _installed_beside(self, folder: Path) -> Iterator[None]:
        """Have what the work tree beside has installed in the tree, by links: at its top and in the folder."""
        made: list[Path] = []
        tree, beside = self.attempt.directory.tree, self.beside
        places = [] if beside is None else [(inside, beside / inside.relative_to(tree)) for inside in {tree, folder}]
        try:
            for (inside, there), name in product(places, INSTALLED):
                link = inside / name
                if (there / name).is_dir() and inside.is_dir() and not os.path.lexists(link):
                    link.symlink_to(there / name)
                    made.append(link)
            yield
        finally:
            for link in made:
                link.unlink(missing_ok=True)

    def _program(self, checker: Checker, folder: Path) -> str:
        tree = self.attempt.directory.tree
        above = [folder, *(each for each in folder.parents if each.is_relative_to(tree))]
        found = checker.program(above, self.attempt.launcher.environment.get("PATH"))
        if found is not None:
            return found
        raise CheckerFailed(f"{os.path.basename(checker.programs[0])} is not installed")


def _installation_of(interpreter: Path) -> list[Path]:
    """What a virtual environment needs of the Python that it was made of; a link to anything else shows nothing."""
    found = interpreter.resolve()
    if not interpreter.is_symlink() or not re.fullmatch(r"bin/python3?(\.\d+)?", "/".join(found.parts[-2:])):
        return []
    return [path for path in (found.parent, found.parent.parent / "lib") if path.is_dir()]


def _text(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(_MAX_OUTPUT_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
