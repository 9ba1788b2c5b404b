"""Record type of a kind of name that is data: where it is defined, where it is used, and what must not be."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal, NamedTuple

import yaml

_COMMENT = re.compile(r"[^\S\n]*(#|//|\*|<!--)")
_MAX_TEXT = 300_000


class Mention(NamedTuple):
    """A name in a file: `scope` is the part of the tree in which it is known; lines count from 1."""

    scope: str
    key: str
    line: int


Scope = Literal["tree", "folder", "file"]
Reader = Callable[[str, str], Iterable[Mention]]
"""Gives the mentions in a file, from its path and text."""


def nothing(path: str, text: str) -> Iterable[Mention]:
    """No mention."""
    return ()


@dataclass(frozen=True)
class NameRule:
    """Kind of name: how files define and use it, and what of that is an error."""

    kind: str
    files: tuple[str, ...]
    """Patterns of the files that may define or use it: of the whole path where there is a `/`, else of the name."""
    definitions: Reader
    uses: Reader = nothing
    unique: bool = False
    """Whether two definitions in one scope are an error."""
    meets_in_reader: bool = False
    """Whether two definitions meet only where a third file names both of theirs."""
    use_defines: bool = False
    """Whether a name lives by being used, as a variable of the environment that is set elsewhere."""
    is_there: Callable[[str, Collection[str]], bool] = lambda key, paths: False
    """Whether some of the changed files are what a name stands for, though nothing defines it."""
    joins: Callable[[str], bool] = lambda text: False
    """Whether a file says that two definitions belong together."""

    def reads(self, path: str) -> bool:
        """Whether a file may hold the name."""
        return any(fnmatchcase(path if "/" in pattern else os.path.basename(path), pattern) for pattern in self.files)


def by_patterns(scope: Scope, *patterns: str, only: tuple[str, ...] = ()) -> Reader:
    """A reader by regular expressions, without lines of comment; the first group that matched is the key.

    `only`: patterns of names of files, where the others have none.
    """
    compiled = [re.compile(each, re.MULTILINE) for each in patterns]

    def read(path: str, text: str) -> Iterator[Mention]:
        if only and not any(fnmatchcase(os.path.basename(path), each) for each in only):
            return
        for pattern in compiled:
            for found, line in matches(pattern, text):
                key = next((each for each in found.groups() if each), "")
                if key:
                    yield Mention(scope_of(scope, path), key, line)

    return read


def matches(pattern: re.Pattern[str], text: str) -> Iterator[tuple[re.Match[str], int]]:
    """Where a pattern is found outside of lines of comment, and in which line."""
    if len(text) > _MAX_TEXT:
        return
    for found in pattern.finditer(text):
        start = text.rfind("\n", 0, found.end() - 1) + 1 if "\n" in found[0] else text.rfind("\n", 0, found.start()) + 1
        if _COMMENT.match(text, start) is None:
            yield found, text.count("\n", 0, start) + 1


def document_of(path: str, text: str) -> Any:
    """The document of a JSON or YAML file; None where it is none. By its aliases it may hold itself."""
    try:
        return json.loads(text) if path.endswith(".json") else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError, RecursionError):
        return None


def scope_of(scope: Scope, path: str) -> str:
    """The name of a file's scope."""
    return {"tree": "", "folder": os.path.dirname(path), "file": path}[scope]


def every(*readers: Reader) -> Reader:
    """The mentions of several readers."""

    def read(path: str, text: str) -> Iterator[Mention]:
        for each in readers:
            yield from each(path, text)

    return read
