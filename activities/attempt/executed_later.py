"""Changed paths that CI, hooks or editors execute once they are in the user's repository."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from activities.git.command import display_path
from activities.git.hub import Hub
from epw.core.decisions import approval

_MAX_PATH_LENGTH = 160
_MAX_FOUND = 10


def executed_later(hub: Hub, base: str, commit: str, paths: Sequence[str]) -> list[str]:
    """The first such paths of a change, each with the program that executes it."""
    found: list[str] = []
    for path, reason in _reasons(hub, base, commit, paths):
        found.append(f"{display_path(path)[:_MAX_PATH_LENGTH]} ({reason})")
        if len(found) == _MAX_FOUND:
            break
    return found


def _reasons(hub: Hub, base: str, commit: str, paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    for path in paths:
        if reason := approval.reason(path):
            yield path, reason
    judged = [path for path in paths if approval.by_content(path)]
    contents = hub.files([(version, path) for path in judged for version in (base, commit)])
    for path, before, after in zip(judged, contents[::2], contents[1::2], strict=True):
        if reason := approval.reason_in(path, before, after):
            yield path, reason
    for folder in dict.fromkeys(folder for path in paths for folder in approval.may_be_repository(path)):
        if folder and all(hub.has_any(commit, [f"{folder}/{part}"]) for part in approval.REPOSITORY):
            yield folder, "a bare repository: git runs what its config names wherever it is entered"
    for path in (each for each in paths if each.rpartition("/")[2] in ("GNUmakefile", "makefile")):
        folder = path.rpartition("/")[0]
        beside = [name for name in ("makefile", "Makefile") if hub.has_any(commit, [f"{folder}/{name}".lstrip("/")])]
        if hub.file(base, path) is None and (reason := approval.shadowed(path, beside)):
            yield path, reason
