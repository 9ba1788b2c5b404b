"""Files `.gitmodules`: names and addresses of submodules. Read as data: git obeys none of its settings."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

from activities.git.command import git, records
from activities.git.hub import Hub
from epw.core.errors import GitError

MODULES = ".gitmodules"
_SETTING = re.compile(r"submodule\.(.+)\.(path|url)", re.DOTALL)
_NO_PART = ("", ".", "..", ".git")


@dataclass(frozen=True)
class Declared:
    """Name of a submodule (of its folder in `.git/modules`) and its address; both are untrusted input."""

    name: str
    url: str | None


@lru_cache(maxsize=1024)
def declared(content: bytes) -> Mapping[str, Declared] | None:
    """Declarations by path, without paths or names that lead out; None if the content cannot be read as settings."""
    try:
        listed = records(git("config", "--no-includes", "--file", "-", "--null", "--list", stdin=content))
    except GitError:
        return None
    found: dict[str, dict[str, str]] = {}
    for setting, _, value in (record.partition("\n") for record in listed):
        if match := _SETTING.fullmatch(setting):
            found.setdefault(match[1], {})[match[2]] = value
    paths = ((each.get("path", "").rstrip("/"), name, each.get("url")) for name, each in found.items())
    return {path: Declared(name, url) for path, name, url in paths if _is_within(path) and _is_within(name)}


def declared_in(hub: Hub, tree: str, folder: str = "") -> Mapping[str, Declared] | None:
    """As `declared`, for a commit or tree or a folder in it; None if there is no such file, too."""
    content = hub.file(tree, os.path.join(folder, MODULES))
    return None if content is None else declared(content)


def container_of(path: str, among: Collection[str]) -> str:
    """The innermost of some submodules that contains a path; empty if none does."""
    return max((each for each in among if path.startswith(f"{each}/")), key=len, default="")


def within(path: str, container: str) -> str:
    """A path relative to the submodule that contains it."""
    return path[len(container) + 1 :] if container else path


def _is_within(path: str) -> bool:
    return not any(part.lower() in _NO_PART for part in path.split("/"))
