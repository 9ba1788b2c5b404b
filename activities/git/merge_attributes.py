"""Attributes that concern merging: git reads none from a commit where there is no work tree.

Those of all folders count, the nearest most, and around them those of the user: as in gitattributes(5). Drivers of the
user's own are commands, which are not run: one that keeps our side as it is (`true`) is built in, any other is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from activities.git.command import git, nul_separated, records
from activities.git.hub import Hub
from activities.git.workspace import Workspace
from activities.system.atomic_write import write_atomically

ATTRIBUTES = ".gitattributes"
_MERGE_ATTRIBUTES = ("merge", "-merge", "!merge", "merge=text", "merge=binary", "merge=union", "binary")
_KEEPS_OURS = "true"
"""Command of a driver that changes nothing: the usual `merge.ours.driver`."""
_OF_FILTERS = ("lfs", "git-crypt")
"""Drivers of encoded files, which are merged decoded."""
_NAME = re.compile(r"[\w-]{1,50}")
_USERS = "merge-settings.json"
_MAX_CACHED = 1000
_MAX_FILES = 200
_MAX_BYTES = 100_000
_PATTERN = re.compile(r'(\[attr\][\w-]+|"(?:[^"\\]|\\.)*"|[^\s#\["]\S*)\s+(.*)')
_SPECIAL = re.compile(r"([*?\[\]\\])")


class MergeSettings(NamedTuple):
    """Settings of git for one merge: a file of attributes, None without any, and commands of drivers by name."""

    attributes: Path | None = None
    drivers: tuple[tuple[str, str], ...] = ()

    @property
    def config(self) -> list[str]:
        """The settings for `git -c`."""
        if self.attributes is None:
            return []
        return [f"core.attributesFile={self.attributes}", *(f"merge.{name}.driver={run}" for name, run in self.drivers)]

    def refused(self, hub: Hub, paths: Collection[str]) -> dict[str, str]:
        """The drivers, by path, that are not run."""
        names = {name for name, command in self.drivers if command != _KEEPS_OURS}
        if not names or not paths:
            return {}
        asked = git(
            "check-attr", "-z", "--stdin", "merge", git_dir=hub.path, config=self.config, stdin=nul_separated(paths)
        )
        found = records(asked)
        return {path: name for path, name in zip(found[::3], found[2::3], strict=True) if name in names}


_Key = tuple[Path, str, int]
"""Hub, tree, and the state of the user's settings."""
_cache: dict[_Key, MergeSettings] = {}
"""The newest last."""
_cache_lock = Lock()


def keep_user_settings(hub: Hub, workspace: Workspace) -> None:
    """Note what the user's own settings say about merges in a workspace."""
    kept = {
        "drivers": workspace.merge_drivers,
        "weaker": workspace.attributes,
        "stronger": workspace.info_attributes,
    }
    path, content = hub.path / _USERS, json.dumps(kept).encode()
    if not path.is_file() or path.read_bytes() != content:
        write_atomically(path, content)


def merge_settings(hub: Hub, commit: str) -> MergeSettings:
    """The settings with which the user's git would merge into a commit."""
    key = _key(hub, commit)
    with _cache_lock:
        cached = _cache.get(key)
    return cached if cached is not None else _remember(key, _read(hub, commit))


def same_attributes(hub: Hub, commit: str, later: str) -> None:
    """Note that `later` has the attributes of `commit`, so that nobody has to read them."""
    _remember(_key(hub, later), merge_settings(hub, commit))


def _key(hub: Hub, commit: str) -> _Key:
    return hub.path, hub.tree_of(commit), _changed_at(hub.path / _USERS)


def _remember(key: _Key, settings: MergeSettings) -> MergeSettings:
    with _cache_lock:
        _cache[key] = settings
        while len(_cache) > _MAX_CACHED:
            del _cache[next(iter(_cache))]
    return settings


def _read(hub: Hub, commit: str) -> MergeSettings:
    users = _user_settings(hub.path / _USERS, _changed_at(hub.path / _USERS))
    commands: dict[str, str] = {
        name: _KEEPS_OURS if command == _KEEPS_OURS else "false"
        for name, command in users.get("drivers", {}).items()
        if _NAME.fullmatch(name) and name not in _OF_FILTERS
    }
    listed = records(git("ls-tree", "-r", "-z", "--name-only", "--full-tree", commit, git_dir=hub.path))
    paths = sorted((each for each in listed if os.path.basename(each) == ATTRIBUTES), key=lambda each: each.count("/"))
    contents = hub.files([(commit, path) for path in paths[:_MAX_FILES]])
    texts = [("", users.get("weaker", ""))]
    texts += [
        (os.path.dirname(path), (content or b"")[:_MAX_BYTES].decode("utf-8", "surrogateescape"))
        for path, content in zip(paths, contents, strict=False)
    ]
    texts.append(("", users.get("stronger", "")))
    macros: set[str] = set()
    lines = [line for folder, text in texts for line in _merge_lines(folder, text, commands, macros)]
    if not lines:
        return MergeSettings()
    content = "".join(lines).encode("utf-8", "surrogateescape")
    path = hub.path / "attributes" / hashlib.sha256(content).hexdigest()[:32]
    if not path.is_file():
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(content)
        os.replace(file.name, path)
    return MergeSettings(path, tuple(commands.items()))


def _changed_at(path: Path) -> int:
    return path.stat().st_mtime_ns if path.is_file() else 0


@lru_cache(maxsize=16)
def _user_settings(path: Path, changed_at: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_bytes()) if changed_at else {}
    return found


def _merge_lines(folder: str, text: str, drivers: Mapping[str, str], macros: set[str]) -> Iterator[str]:
    """The lines of a folder's attributes that concern merging, as lines of a file for the whole tree.

    `macros`: the names of macros so far that concern merging, which only the top has; new ones are added.
    """
    for line in text.splitlines():
        found = _PATTERN.match(line.strip())
        if not found:
            continue
        words = [each for word in found[2].split() if (each := _merge_word(word, drivers, macros))]
        pattern = found[1]
        if not words:
            continue
        if pattern.startswith("[attr]"):
            if not folder:
                macros.add(pattern.removeprefix("[attr]"))
                yield f"{pattern} {' '.join(words)}\n"
        elif (placed := _placed(folder, pattern)) is not None:
            yield f"{placed} {' '.join(words)}\n"


def _merge_word(word: str, drivers: Mapping[str, str], macros: Collection[str]) -> str | None:
    """An attribute as it counts here; None for one that does not concern merging."""
    if word in _MERGE_ATTRIBUTES or word.lstrip("-!") in macros:
        return word
    if word.startswith("merge="):
        # What is not configured merges as text.
        return word if word.removeprefix("merge=") in drivers else "merge"
    return None


def _placed(folder: str, pattern: str) -> str | None:
    """A pattern of a folder's attributes as one of the top; None for one that has no such form."""
    if not folder:
        return pattern
    if pattern.startswith('"'):
        pattern = pattern[1:-1]
    if '"' in folder + pattern or "\\" in pattern or not folder.isprintable():
        return None
    inner = pattern.removeprefix("/")
    depth = "" if "/" in pattern.rstrip("/") else "**/"
    outer = _SPECIAL.sub(r"\\\1", folder)
    placed = f"/{outer}/{depth}{inner}"
    return f'"{placed.replace(chr(92), chr(92) * 2)}"' if " " in placed else placed
