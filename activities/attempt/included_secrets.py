"""Secrets in included files: what an attempt says and prints does not show them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

from activities.agents.secrets import Secrets
from activities.attempt.attempt import Attempt
from activities.git.secret_files import looks_secret
from activities.system.file_content import content
from activities.system.tokens import tokens

_SHORTEST = 6
_MAX_VALUES = 200
_MAX_PATHS = 10_000
"""So many are looked at in an included folder, which may be `node_modules`."""
_ASSIGNED = re.compile(rb"(?m)^\s*(?:export\s+)?[\w.-]+\s*[=:]\s*(\S+)")
_HAS_LOGIN = re.compile(rb"://[^/\s:@]*:[^/\s@]+@")
_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----.*?-----END [A-Z ]*-----", re.DOTALL)


def know_included(attempt: Attempt) -> None:
    """Have the attempt show none of the secrets of its included files, as the user and its directory have them.

    Also one that goes on in the directory of an earlier one. Blocking.
    """
    names, directory = attempt.context.plan.included_in(attempt.context.task), attempt.directory
    roots = [directory.tree] if names else []
    if names and directory.run.base is not None:
        workspace = directory.execution.workspace()
        roots += [Path(workspace.path)] if workspace.url is None else []
    for root in roots:
        attempt.reporter.secrets = attempt.reporter.secrets.joined(included_secrets(root, names))


def included_secrets(root: Path, names: Iterable[str]) -> Secrets:
    """The secrets of those of the named files, and of those in named folders, that look like secrets.

    Each is shown as the name of its file. They are values under names of tokens, passwords and keys, addresses with a
    login in them, and private keys.
    """
    secret = (path for path in _paths(root, names) if looks_secret(path.name, partial(_content, path)))
    return Secrets.of_pairs(
        (path.name, value) for path in secret for value in islice(_values(_content(path)), _MAX_VALUES)
    )


def _paths(root: Path, names: Iterable[str]) -> Iterator[Path]:
    for name in names:
        path = root / name
        inside = path.rglob("*") if path.is_dir() else [path]
        yield from islice(inside, _MAX_PATHS)


def _content(path: Path) -> bytes:
    return content(path) if path.is_file() else b""


def _values(data: bytes) -> Iterator[str]:
    yield from tokens(data, _SHORTEST)
    for found in _ASSIGNED.finditer(data):
        if _HAS_LOGIN.search(found[1]):
            yield found[1].decode("utf-8", "surrogateescape").strip("\"'")
    for found in _KEY.finditer(data):
        yield found[0].decode("utf-8", "surrogateescape")
