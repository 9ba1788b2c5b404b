"""Options of a build of C or C++, as its `compile_commands.json` has them."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

_PLACES = ("", "build", "builddir", "out", "cmake-build-debug")
_MAX_BYTES = 20_000_000
_WITH_PATH = ("-I", "-isystem", "-iquote", "-include")
# What an option of another kind loads or starts is no part of what the files say.
_PLAIN = re.compile(
    r"-(D|U).+|-std=[\w+]+|-m(32|64)|-pthread|-f(no-)?(exceptions|rtti|signed-char|unsigned-char)|-ansi"
)


def build_options(top: Path) -> dict[str, tuple[str, ...]]:
    """Options by file, with absolute paths; empty where there is no such file, or it is that of another tree."""
    for place in _PLACES:
        path = top / place / "compile_commands.json"
        try:
            rows = json.loads(path.read_bytes()) if path.is_file() and path.stat().st_size < _MAX_BYTES else []
            return dict(_options(rows, path.parent, top))
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            continue
    return {}


def _options(rows: Sequence[dict[str, Any]], here: Path, top: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    if not rows:
        raise LookupError
    # The tree of the build may have been elsewhere: paths are taken relative to where its file lies.
    built = os.path.commonpath([str(row["directory"]) for row in rows])
    for row in rows:
        argv = row["arguments"] if "arguments" in row else shlex.split(row["command"])

        def moved(path: str, directory: str = str(row["directory"])) -> str:
            whole = os.path.normpath(os.path.join(directory, path))
            there = os.path.normpath(here / os.path.relpath(whole, built))
            return there if Path(there).is_relative_to(top) and os.path.exists(there) else whole

        yield moved(row["file"]), tuple(_kept([str(each) for each in argv], moved))


def _kept(argv: list[str], moved: Callable[[str], str]) -> Iterator[str]:
    rest = iter(argv)
    for each in rest:
        option = next((name for name in _WITH_PATH if each == name or (name == "-I" and each.startswith(name))), None)
        if option is not None:
            yield from (option, moved(each.removeprefix(option) or next(rest, ".")))
        elif each in ("-D", "-U"):
            yield f"{each}{next(rest, '_')}"
        elif _PLAIN.fullmatch(each):
            yield each
