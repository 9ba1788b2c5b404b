"""Checkers of C and C++: the compiler, and its linker for what is defined twice."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from activities.checkers.checker import Checker, CheckerFailed, Job, Message, Output, Place, relative
from activities.checkers.compile_commands import build_options
from activities.system.directories import walk

_PLACE = re.compile(r"(?:In file included from |\s+from )?(?P<path>[^\s:][^:]*):(?P<line>\d+)[:,].*")
_ERROR = re.compile(
    r"(?P<path>[^\s:][^:]*):(?P<line>\d+):\d+: (?:fatal )?error: (?P<text>.*?)(?: \[-W(?P<rule>[^\]]+)\])?"
)
_TWICE = re.compile(r"(?:.*[ :])?(?P<path>[^\s:]+):\(.*?\): (?P<text>multiple definition of [`'].*?').*")
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
    guessed = tuple(f"-I{each}" for each in sorted(folders))
    errors = [f"-Werror={each}" for each in strict]
    options = build_options(top)
    groups: dict[tuple[str, ...], list[str]] = {}
    for path in sorted(files):
        groups.setdefault(options.get(path, guessed), []).append(path)
    if len(groups) == 1:
        # A partial link (`-r`) needs no libraries, and finds what two files define.
        argv = [*place.program, "-O0", "-r", "-nostdlib", "-o", os.devnull, *errors]
        return [*argv, *(word for words, paths in groups.items() for word in (*words, *paths))]
    argv = [*place.program, "-fsyntax-only", *errors]
    each = (shlex.join([*argv, *words, *paths]) for words, paths in groups.items())
    return ["sh", "-c", f"code=0; {' || code=$?; '.join(each)} || code=$?; exit $code"]


def _read(place: Place, job: Job, output: Output) -> Iterator[Message]:
    found, used = 0, ("", 0)
    for line in output.err.splitlines():
        error, twice, named = (pattern.fullmatch(line) for pattern in (_ERROR, _TWICE, _PLACE))
        path = relative(named["path"], place, job) if named else None
        if error is not None:
            found += 1
            # An error within a header of the system is about the place that uses it, named before.
            where = (path, int(error["line"])) if path is not None else used
            if where[0]:
                yield Message(*where, error["rule"] or "error", error["text"])
        elif twice is not None:
            found += 1
            yield Message(relative(twice["path"], place, job) or twice["path"], 0, "link", twice["text"])
        elif named is not None and path is not None:
            used = path, int(named["line"])
    if output.code and not found:
        raise output.failure()


GCC = Checker(
    name="gcc",
    language="C",
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
    language="C++",
    suffixes=(".cc", ".cpp", ".cxx", *_HEADERS),
    programs=("g++", "c++"),
    command=partial(_command, suffixes=(".cc", ".cpp", ".cxx"), strict=()),
)
