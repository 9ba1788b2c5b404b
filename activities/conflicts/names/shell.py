"""Names of shell scripts: functions, and the files that scripts source."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from activities.conflicts.names.rule import Mention, NameRule, by_patterns

_FILES = ("*.sh", "*.bash", "*.bats")
_FUNCTION = re.compile(r"^\s*(?:function\s+([\w:-]+)\s*(?:\(\))?|([\w:-]+)\s*\(\))\s*\{?")
_COMMAND = re.compile(r"(?:^|[;&|({]|\$\(|`|\b(?:then|do|else|if|while|until|!)\s)\s*([A-Za-z_][\w-]*)(?=\s|$|;|\))")
_COMMENT = re.compile(r"(^|\s)#.*")
_QUOTED = re.compile(r"'[^']*'|\"[^\"$`]*\"")


def _functions(path: str, text: str) -> Iterator[Mention]:
    for number, line in enumerate(text.splitlines(), 1):
        found = _FUNCTION.match(line)
        if found is not None:
            yield Mention("", found[1] or found[2], number)


def _calls(path: str, text: str) -> Iterator[Mention]:
    own = {each.key for each in _functions(path, text)}
    for number, line in enumerate(text.splitlines(), 1):
        bare = _QUOTED.sub('""', _COMMENT.sub("", line))
        for found in _COMMAND.finditer(bare):
            if found[1] not in own:
                yield Mention("", found[1], number)


def _files(path: str, text: str) -> Iterator[Mention]:
    yield Mention("", path, 1)


def _sourced(path: str, text: str) -> Iterator[Mention]:
    """Files that a script reads or runs, by their path from the top and from the script."""
    for each in _paths(path, text):
        yield each._replace(key=os.path.normpath(each.key))
        yield each._replace(key=os.path.normpath(os.path.join(os.path.dirname(path), each.key)))


_paths = by_patterns(
    "tree", r"(?:^|[;&|]\s*)(?:source|\.|bash|sh)\s+(?:-\w+\s+)*[\"']?((?:\./|\w)[\w./-]*\.(?:sh|bash))"
)
RULES = (
    NameRule("script", _FILES, _files, _sourced),
    NameRule("function", _FILES, _functions, _calls, unique=True, meets_in_reader=True),
    NameRule(
        "option", _FILES, by_patterns("tree", r"^\s*(--[a-z][\w-]+)[)|]"), by_patterns("tree", r"\s(--[a-z][\w-]+)")
    ),
)
