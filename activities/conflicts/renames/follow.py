"""Uses that follow a rename of the other side: rewritten on the merge, by the identifiers that mean the definition.

Only lines are changed that the using side has written. Of these, the identifiers of a finding, and those of the same
name and form beside them; where one of them could mean something else, nothing is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

from activities.conflicts.entry import other_side
from activities.conflicts.renames.identifiers import Wanted, rewritten
from activities.conflicts.semantic.sides import Finding, SideName
from activities.git.changes import Blobs
from activities.git.command import REGULAR, display_path
from activities.git.hub import Hub
from activities.git.submodules.pointers import entry_at
from epw.core.semantic_entry import Rename, RenamedUses

_HUNK = re.compile(rb"^@@ -\S+ \+(\d+)(?:,(\d+))? @@", re.MULTILINE)
_MAX_FILES = 20
_MAX_LINES = 50
_SIDES: tuple[SideName, SideName] = ("ours", "theirs")


@dataclass(frozen=True)
class Followed:
    """A merge in which uses have followed renames: its tree, the changed files of both sides, what was rewritten."""

    tree: str
    changed: Sequence[Blobs]
    renames: list[Rename]


class _Use(NamedTuple):
    """What is renamed, and the file that uses it."""

    name: str
    new_name: str
    definition: str
    side: SideName
    path: str
    is_member: bool


def follow(
    hub: Hub, changed: Sequence[Blobs], tree: str, findings: Sequence[Finding], read: str | None = None
) -> Followed | None:
    """The merge with the uses of all findings renamed; None where one of them has no rename, or that is not certain.

    `changed`: the changed files of both sides; `tree`: their merge; `read`: the merge that checkers have read, if it
    is another one.
    """
    uses = _uses(hub, changed, findings, read or tree)
    if uses is None or len({each.path for each in uses}) > _MAX_FILES:
        return None
    # Symbols and checkers may tell of one rename by several places.
    sides, renames = [dict(each) for each in changed], dict[tuple[str, str, str], Rename]()
    for use, (texts, is_every) in uses.items():
        mine, other = sides[_SIDES.index(use.side)], changed[_SIDES.index(other_side(use.side))]
        entry, blobs = entry_at(hub, tree, use.path), mine.get(use.path)
        if entry is None or entry[0] not in REGULAR or blobs is None or blobs[1] is None:
            return None
        wanted = Wanted(
            use.name, use.new_name, use.is_member, _modules(use.definition), texts, is_every, use.path == use.definition
        )
        reference = other[use.path][1] if use.path in other else blobs[0]
        merged = _rewritten(hub, use.path, entry[1], reference, wanted)
        own = _rewritten(hub, use.path, blobs[1], blobs[0], wanted)
        if merged is None or own is None or len(merged[1]) > _MAX_LINES:
            return None
        mine[use.path] = blobs[0], own[0]
        tree = hub.with_files(tree, {use.path: (entry[0], merged[0])})
        key = use.name, use.new_name, use.definition
        rename = renames.setdefault(
            key,
            Rename(
                symbol=use.name,
                new_name=use.new_name,
                file=display_path(use.definition),
                side=other_side(use.side),
            ),
        )
        rename.uses.append(RenamedUses(file=display_path(use.path), lines=merged[1]))
    return Followed(tree, sides, list(renames.values()))


def _uses(
    hub: Hub, changed: Sequence[Blobs], findings: Sequence[Finding], read: str
) -> dict[_Use, tuple[set[bytes], bool]] | None:
    """The uses, each with its known lines, and whether it may have no other; None where one has no rename."""
    found: dict[_Use, tuple[set[bytes], bool]] = {}
    for each in findings:
        blob = changed[_SIDES.index(each.side)].get(each.path, (None, None))[1]
        if each.change != "renamed" or blob is None:
            return None
        content = hub.file(read, each.path) if each.checker else hub.blob(blob)
        lines = (content or b"").split(b"\n")
        if not 0 < each.line <= len(lines):
            return None
        name = re.split(r"\W+", each.name)[-1]
        use = _Use(name, each.new_name, each.other, each.side, each.path, each.is_member)
        texts, is_every = found.get(use, (set(), True))
        # Symbols show one use a file, checkers show each.
        found[use] = texts | {lines[each.line - 1].strip()}, is_every and bool(each.checker)
    merged: dict[tuple[object, ...], tuple[_Use, set[bytes], bool]] = {}
    for use, (texts, is_every) in found.items():
        key = use.name, use.new_name, use.side, use.path
        first, known, was_every = merged.get(key, (use, set(), True))
        first = first._replace(is_member=first.is_member or use.is_member)
        merged[key] = first, known | texts, was_every and is_every
    return {use: (texts, is_every) for use, texts, is_every in merged.values()}


def _rewritten(hub: Hub, path: str, blob: str, reference: str | None, wanted: Wanted) -> tuple[str, list[int]] | None:
    """The blob with the uses renamed on the lines that the reference does not have, and these lines."""
    content = hub.blob(blob)
    done = rewritten(path, content, _new_lines(hub, content, blob, reference), wanted)
    return (hub.store_blob(done[0]), done[1]) if done is not None else None


def _new_lines(hub: Hub, content: bytes, blob: str, reference: str | None) -> Collection[int]:
    if reference is None:
        return range(1, content.count(b"\n") + 2)
    found: set[int] = set()
    for start, count in _HUNK.findall(hub.diff_of_blobs(reference, blob)):
        found.update(range(int(start), int(start) + int(count or 1)))
    return found


def _modules(path: str) -> frozenset[str]:
    """Names by which other files may call the module of a file."""
    parts = PurePosixPath(path)
    return frozenset({parts.stem, parts.parent.name}) - {""}
