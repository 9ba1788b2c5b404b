"""Attributes of a commit that concern merging: git reads none from a commit where there is no work tree."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path
from threading import Lock

from activities.git.hub import Hub

ATTRIBUTES = ".gitattributes"
_MERGE_ATTRIBUTES = ("merge", "-merge", "!merge", "merge=text", "merge=binary", "merge=union", "binary")
"""Attributes that name no driver: those of the workspace are not ours to run."""
_MAX_CACHED = 1000
_MAX_BYTES = 100_000
_UNKNOWN = Path()
_PATTERN = re.compile(rb'((?:"(?:[^"\\]|\\.)*"|[^\s#\["]\S*))\s+(.*)')
_cache: dict[tuple[Path, str], Path | None] = {}
"""File of attributes by hub and commit, the newest last."""
_cache_lock = Lock()


def merge_attributes(hub: Hub, commit: str) -> Path | None:
    """A file with the merge attributes of a commit's top `.gitattributes` and nothing else; None without any."""
    with _cache_lock:
        cached = _cache.get((hub.path, commit), _UNKNOWN)
    if cached is not _UNKNOWN:
        return cached
    return _remember(hub, commit, _stored(hub, hub.file(commit, ATTRIBUTES)))


def same_attributes(hub: Hub, commit: str, later: str) -> None:
    """Note that `later` has the merge attributes of `commit`, so that nobody has to read them."""
    _remember(hub, later, merge_attributes(hub, commit))


def _remember(hub: Hub, commit: str, path: Path | None) -> Path | None:
    with _cache_lock:
        _cache[hub.path, commit] = path
        while len(_cache) > _MAX_CACHED:
            del _cache[next(iter(_cache))]
    return path


def _stored(hub: Hub, attributes: bytes | None) -> Path | None:
    lines = [_merge_part(line) for line in (attributes or b"")[:_MAX_BYTES].splitlines()]
    content = b"".join(line for line in lines if line)
    if not content:
        return None
    path = hub.path / "attributes" / hashlib.sha256(content).hexdigest()[:32]
    if not path.is_file():
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(content)
        os.replace(file.name, path)
    return path


def _merge_part(line: bytes) -> bytes | None:
    """A line of attributes reduced to those of merging; None without any."""
    found = _PATTERN.match(line.strip())
    if not found:
        return None
    words = [word for word in found[2].decode(errors="replace").split() if word in _MERGE_ATTRIBUTES]
    return found[1] + f" {' '.join(words)}\n".encode() if words else None
