"""What of an earlier side is gone after a task was run again: named, so that nobody loses it unknowingly."""

from __future__ import annotations

from collections import Counter

from activities.git.hub import Hub

_MOST_BYTES = 1_000_000


def overwritten(hub: Hub, base: str, ours: str, new: str, paths: list[str]) -> list[str]:
    """Paths in which lines that `ours` had added to `base` are not in `new` any more."""
    versions = hub.files([(commit, path) for path in paths for commit in (base, ours, new)])
    sides = zip(paths, versions[::3], versions[1::3], versions[2::3], strict=True)
    return [path for path, *contents in sides if _loses(*contents)]


def _loses(before: bytes | None, mine: bytes | None, now: bytes | None) -> bool:
    if mine is None:
        return now is not None
    if now is None:
        return True
    if max(map(len, (before or b"", mine, now))) > _MOST_BYTES or b"\0" in mine:
        return mine != now
    added = Counter(_lines(mine)) - Counter(_lines(before or b""))
    return bool(added - Counter(_lines(now)))


def _lines(content: bytes) -> list[bytes]:
    return [line.strip() for line in content.splitlines() if line.strip()]
