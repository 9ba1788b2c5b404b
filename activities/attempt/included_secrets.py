"""Secrets in included files: what an attempt says and prints does not show them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from activities.agents.secrets import Secrets
from activities.git.secret_files import looks_secret
from activities.system.file_content import content
from activities.system.tokens import tokens

_SHORTEST = 6
_MAX_VALUES = 200
_ASSIGNED = re.compile(rb"(?m)^\s*(?:export\s+)?[\w.-]+\s*[=:]\s*(\S+)")
_HAS_LOGIN = re.compile(rb"://[^/\s:@]*:[^/\s@]+@")
_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----.*?-----END [A-Z ]*-----", re.DOTALL)


def included_secrets(workspace: Path, names: Iterable[str]) -> Secrets:
    """The secrets of those of the named files that look like secrets, each shown as the name of its file.

    They are values under names of tokens, passwords and keys, addresses with a login in them, and private keys.
    """
    found = Secrets(())
    for name in names:
        path = workspace / name
        if not path.is_file() or not looks_secret(name, partial(content, path)):
            continue
        for value, _ in zip(_values(content(path)), range(_MAX_VALUES), strict=False):
            found = found.joined(Secrets.of({Path(name).name: value}))
    return found


def _values(data: bytes) -> Iterator[str]:
    yield from tokens(data, _SHORTEST)
    for found in _ASSIGNED.finditer(data):
        if _HAS_LOGIN.search(found[1]):
            yield found[1].decode("utf-8", "surrogateescape").strip("\"'")
    for found in _KEY.finditer(data):
        yield found[0].decode("utf-8", "surrogateescape")
