"""Guard against clear text: what a filter should encode is left out of a tree instead of stored as it is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Unpack

from activities.git.command import ABSENT_MODE, REGULAR, GitLocation, display_path, git
from activities.git.filters.filter_drivers import (
    NO_SECRET,
    attributes_of,
    decoded,
    drivers_of,
    has_driver,
    help_for,
    holds,
    is_as_before,
)
from epw.core import failures
from epw.core.errors import TaskFailed

Changed = tuple[str, str, str]
"""A path, its mode before and its mode now."""


@dataclass
class KeptEncoded:
    """Effects of `keep_encoded` on changed files that have, or had, a driver."""

    is_changed: bool = False
    """Whether the index changed: some paths got their old blobs back, or were removed."""
    in_clear: list[str] = field(default_factory=list)
    """Paths that would be stored in clear: the index has their old blobs, and not the new paths."""
    failures: list[TaskFailed] = field(default_factory=list)
    """`FilterMissing`: the user has not configured the driver; `FilterLost`: attributes or a name have changed."""


def keep_encoded(
    before: str,
    changes: Sequence[Changed],
    settings: Sequence[str],
    *,
    known: Path | None = None,
    **place: Unpack[GitLocation],
) -> KeptEncoded:
    """Give files whose clear text is unchanged their old blobs back, and leave out what would be stored in clear.

    `changes`: what differs between the tree `before` and the index. `known`: an earlier index; a file for which its
    attributes name a driver must not be stored in clear now.
    """
    kept = KeptEncoded()
    drivers = drivers_of([path for path, _, new in changes if new in REGULAR], settings, **place)
    missing = [(path, name) for path, name in drivers.items() if not has_driver(name, settings)]
    if missing:
        path, name = missing[0]
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        message = f"{display_path(path)}{more} is for the filter {name!r}, which is not configured here{help_for(name)}"
        kept.failures.append(TaskFailed(failures.FILTER_MISSING, message))
        kept.in_clear += [path for path, _ in missing]
    driven = drivers.keys() - set(kept.in_clear)
    modified = [path for path, old, _ in changes if path in driven and old in REGULAR]
    same = [path for path in modified if is_as_before(f"{before}:{path}", path, settings, **place)]
    if known is not None:
        same += _lost_drivers(kept, before, changes, drivers, settings, known, **place)
    new = {path for path, old, _ in changes if old == ABSENT_MODE}
    for path in dict.fromkeys([*same, *kept.in_clear]):
        if path in new:
            git("update-index", "--force-remove", "-z", "--stdin", **place, stdin=os.fsencode(f"{path}\0"))
        else:
            entry = git("ls-tree", "-z", before, "--", f":(top,literal){path}", git_dir=place["git_dir"])
            git("update-index", "-z", "--index-info", **place, stdin=entry)
        kept.is_changed = True
    return kept


def _lost_drivers(
    kept: KeptEncoded,
    before: str,
    changes: Sequence[Changed],
    drivers: Mapping[str, str],
    settings: Sequence[str],
    known: Path,
    **place: Unpack[GitLocation],
) -> list[str]:
    """Files that lost their driver and are unchanged otherwise; changed ones are added to `kept.in_clear`."""
    present = [path for path, _, new in changes if new in REGULAR]
    old = [path for path, mode, _ in changes if mode in REGULAR]
    git_dir = place["git_dir"]
    earlier = drivers_of(old, settings, of_index=True, git_dir=git_dir, index=known)
    lost = {path: name for path, name in earlier.items() if drivers.get(path) != name}
    if not lost:
        return []
    same: list[str] = []
    in_clear: dict[str, str] = {}
    with attributes_of(known, git_dir) as then:
        for path, name in lost.items():
            clear = decoded(f"{before}:{path}", path, settings, **then)
            if path in present and clear and holds(place["work_tree"] / path, clear):
                same.append(path)
            elif path in present and name not in NO_SECRET:
                in_clear[path] = f"{display_path(path)} was encoded by the filter {name!r}"
            elif clear and name not in NO_SECRET:
                plain = (each for each in present if each not in drivers)
                for moved in (each for each in plain if holds(place["work_tree"] / each, clear)):
                    in_clear[moved] = (
                        f"{display_path(moved)} is what {display_path(path)} was, which the filter {name!r} encoded"
                    )
    if in_clear:
        message = f"{next(iter(in_clear.values()))}, and would be stored in clear now"
        kept.failures.append(TaskFailed(failures.FILTER_LOST, message))
        kept.in_clear += in_clear
    return [path for path in same if path not in in_clear]


def in_clear(
    view: Path,
    introduced: Iterable[tuple[str, str, str]],
    settings: Sequence[str],
    *,
    known: Path,
    **place: Unpack[GitLocation],
) -> str | None:
    """The first path, among files (mode, object, path) of a git directory, that its driver has not encoded; else None.

    Drivers are those that the attributes in the work tree and in the index `known` name.
    """
    found = {(path, name) for _, name, path in introduced}
    paths = sorted({path for path, _ in found})
    drivers = drivers_of(paths, settings, of_index=True, git_dir=place["git_dir"], index=known)
    drivers |= drivers_of(paths, settings, **place)
    in_view = GitLocation(git_dir=view, work_tree=place["work_tree"], index=place["index"])
    for path, name in sorted(found):
        if drivers.get(path, NO_SECRET[0]) not in NO_SECRET:
            content = git("cat-file", "blob", name, git_dir=view)
            # With content that is not encoded, drivers pass it on, drop it, or fail.
            if content and decoded(name, path, settings, **in_view) in (content, b"", None):
                return path
    return None
