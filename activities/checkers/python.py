"""Checker of Python: ty."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path, PurePosixPath

from activities.checkers.checker import Checker, CheckerFailed, Job, Message, Output, Place, relative
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
    argv += ["--color", "never"]
    environment = place.folder(job) / ".venv"
    if (environment / "pyvenv.cfg").is_file():
        argv += ["--python", str(environment)]
    if job.within:
        within = str(place.tree / job.within)
        argv += ["--extra-search-path", within, within]
    return argv


def _read(place: Place, job: Job, output: Output) -> Iterator[Message]:
    try:
        found = json.loads(output.out)
    except ValueError:
        raise CheckerFailed(f"ended with {output.code}: {output.err.strip()[-300:]}") from None
    for each in found:
        path = relative(each["location"]["path"], place, job)
        rule = each["check_name"]
        if path is not None:
            text = each["description"].removeprefix(f"{rule}: ")
            yield Message(path, each["location"]["positions"]["begin"]["line"], rule, text)


def _may_miss(message: Message, content: bytes) -> bool:
    """Whether an import that fails is handled by the program."""
    return any(each.line == message.line and each.may_fail for each in read_symbols(message.path, content).modules)


TY = Checker(
    name="ty",
    suffixes=(".py", ".pyi"),
    configs=("ty.toml", "pyproject.toml", "setup.py", "setup.cfg"),
    programs=(".venv/bin/ty", "ty", str(Path(sys.executable).parent / "ty")),
    command=_command,
    read=_read,
    needs_config=False,
    parts_of=_parts,
    left_out=_OTHER_RULES,
    may_miss=_may_miss,
)
