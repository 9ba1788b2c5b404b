"""Checkers of C and C++: the compiler's own, without code generation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from activities.checkers.checker import Checker, CheckerFailed, Job, Message, Output, Place, relative
from activities.system.directories import walk

_LINE = re.compile(
    r"(?P<path>[^\s:][^:]*):(?P<line>\d+):\d+: (?:fatal )?error: (?P<text>.*?)(?: \[-W(?P<rule>[^\]]+)\])?"
)
_MAX_FILES = 500
_HEADERS = (".h", ".hh", ".hpp", ".hxx")
# Errors in today's C, warnings to an older compiler.
_STRICT = ("implicit-function-declaration", "int-conversion", "incompatible-pointer-types")


def _command(place: Place, job: Job, suffixes: tuple[str, ...], strict: tuple[str, ...]) -> list[str]:
    top = place.folder(job)
    files, folders = [], {str(top)}
    for folder in walk(top):
        here = top / folder.path
        files += [str(here / name) for name in folder.files if name.endswith(suffixes)]
        if any(name.endswith(_HEADERS) for name in folder.files):
            folders.add(str(here))
    if len(files) > _MAX_FILES:
        raise CheckerFailed(f"{len(files)} files, and at most {_MAX_FILES} are checked without a build")
    included = [f"-I{each}" for each in sorted(folders)]
    errors = [f"-Werror={each}" for each in strict]
    return [*place.program, "-fsyntax-only", "-w", *errors, *included, *sorted(files)]


def _read(place: Place, job: Job, output: Output) -> Iterator[Message]:
    found = list(filter(None, map(_LINE.fullmatch, output.err.splitlines())))
    if output.code and not found:
        raise CheckerFailed(f"ended with {output.code}: {output.err.strip()[-300:]}")
    for each in found:
        path = relative(each["path"], place, job)
        if path is not None:
            yield Message(path, int(each["line"]), each["rule"] or "error", each["text"])


GCC = Checker(
    name="gcc",
    suffixes=(".c", ".h"),
    configs=(),
    programs=("gcc", "cc"),
    command=partial(_command, suffixes=(".c",), strict=_STRICT),
    read=_read,
    needs_config=False,
    variables={"LC_ALL": "C"},
)
GPP = replace(
    GCC,
    name="g++",
    suffixes=(".cc", ".cpp", ".cxx", *_HEADERS),
    programs=("g++", "c++"),
    command=partial(_command, suffixes=(".cc", ".cpp", ".cxx"), strict=()),
)
