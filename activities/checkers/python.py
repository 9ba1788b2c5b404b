"""Checkers of Python: ty, and pyrefly, which infers what functions without annotations return."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path, PurePosixPath

from activities.checkers.checker import Checker, Job, Message, Output, Place, relative
from activities.conflicts.semantic.read_symbols import read_symbols

_OTHER_RULES = frozenset(
    {
        "deprecated",
        "division-by-zero",
        "possibly-unresolved-reference",
        "redundant-cast",
        "revealed-type",
        "undefined-reveal",
        "unused-ignore-comment",
        "unused-type-ignore-comment",
    }
)


def _parts(folder: str, tree: Collection[str], changed: Iterable[str]) -> Iterator[str]:
    """The whole project, and each folder apart that has modules of its own beside those of the project."""
    yield ""
    own = {folder, os.path.join(folder, "src")}
    roots = set()
    for path in changed:
        above = PurePosixPath(path).parent
        while str(above / "__init__.py") in tree:
            above = above.parent
        roots.add("" if str(above) == "." else str(above))
    yield from sorted(roots - own)


def _command(place: Place, job: Job) -> list[str]:
    argv = [*place.program, "check", "--project", ".", "--output-format", "gitlab", "--no-progress", "--exit-zero"]
    files = [str(place.tree / path) for path in _files(job)]
    argv += ["--color", "never"]
    environment = place.folder(job) / ".venv"
    if (environment / "pyvenv.cfg").is_file():
        argv += ["--python", str(environment)]
    if job.within:
        within = str(place.tree / job.within)
        argv += ["--extra-search-path", within, *(files or [within])]
        return argv
    return [*argv, *files]


def _files(job: Job) -> list[str]:
    """The files that are looked at, within the job's part."""
    return [path for path in job.files if not job.within or path.startswith(f"{job.within}/")]


def _read(place: Place, job: Job, output: Output) -> Iterator[Message]:
    try:
        found = json.loads(output.out)
    except ValueError:
        raise output.failure() from None
    for each in found:
        path = relative(each["location"]["path"], place, job)
        rule = each["check_name"]
        if path is not None:
            text = each["description"].removeprefix(f"{rule}: ")
            yield Message(path, each["location"]["positions"]["begin"]["line"], rule, text)


def _pyrefly_command(place: Place, job: Job) -> list[str]:
    argv = [*place.program, "check", "--output-format", "json", "--progress-bar", "no", "--color", "never"]
    if job.config is None or os.path.basename(job.config) != "pyrefly.toml":
        argv += ["--preset", "default", "--check-unannotated-defs", "--infer-return-types", "checked"]
    environment = place.folder(job) / ".venv/bin/python"
    argv += ["--python-interpreter-path", str(environment)] if environment.exists() else ["--skip-interpreter-query"]
    if job.within:
        # Else the imports of the project's top would be found first.
        within = place.tree / job.within
        argv += ["--search-path", str(within), "--project-excludes", "**/node_modules"]
        argv += [] if _files(job) else [str(within / "**/*.py")]
    elif _files(job):
        argv += ["--search-path", str(place.folder(job))]
    return [*argv, *(str(place.tree / path) for path in _files(job))]


def _read_pyrefly(place: Place, job: Job, output: Output) -> Iterator[Message]:
    try:
        found = json.loads(output.out)["errors"]
    except (ValueError, LookupError):
        raise output.failure() from None
    for each in found:
        path = relative(each["path"], place, job)
        if path is not None and each["severity"] == "error":
            yield Message(path, each["line"], each["name"], each["concise_description"])


def may_miss(message: Message, content: bytes) -> bool:
    """Whether an import that fails is handled by the program."""
    return message.line in _handled_imports(message.path, content)


@lru_cache(maxsize=32)
def _handled_imports(path: str, content: bytes) -> frozenset[int]:
    """Lines of imports of which the program handles that they fail."""
    return frozenset(each.line for each in read_symbols(path, content).modules if each.may_fail)


TY = Checker(
    name="ty",
    language="Python",
    suffixes=(".py", ".pyi"),
    configs=("ty.toml", "pyproject.toml", "setup.py", "setup.cfg"),
    programs=(".venv/bin/ty", "ty", str(Path(sys.executable).parent / "ty")),
    command=_command,
    read=_read,
    needs_config=False,
    parts_of=_parts,
    takes_files=True,
    left_out=_OTHER_RULES,
    may_miss=may_miss,
)
PYREFLY = replace(
    TY,
    name="pyrefly",
    configs=("pyrefly.toml", *TY.configs),
    programs=(".venv/bin/pyrefly", "pyrefly", str(Path(sys.executable).parent / "pyrefly")),
    command=_pyrefly_command,
    read=_read_pyrefly,
)
