"""Whether two sides that merged line by line still fit together, as far as their files show."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from activities.conflicts.behaviour.check import check_behaviour
from activities.conflicts.names.check import check_names
from activities.conflicts.names.tree_texts import check_texts
from activities.conflicts.renames.detect import with_renames
from activities.conflicts.renames.follow import Followed, follow
from activities.conflicts.semantic.sides import Finding
from activities.conflicts.semantic.tree_check import check_symbols
from activities.git.changes import Blobs, changed_blobs
from activities.git.hub import Hub


def semantic_conflicts(hub: Hub, base: str, ours: str, theirs: str, merged: str) -> list[Finding]:
    """Semantic conflicts of two commits whose merge is the tree `merged`: of symbols, of names that are data,
    and of what code does beyond them."""
    return semantic_conflicts_of(hub, base, changed_blobs(hub, base, ours, theirs), merged)


def semantic_conflicts_of(hub: Hub, base: str, changed: Sequence[Blobs], merged: str) -> list[Finding]:
    """As `semantic_conflicts`, from the changed blobs of the two commits."""
    return [
        *with_renames(hub, changed, check_symbols(hub, base, changed, merged)),
        *check_texts(hub, base, changed, merged, (check_names, check_behaviour)),
    ]


def with_uses_renamed(
    hub: Hub,
    base: str,
    changed: Sequence[Blobs],
    merged: str,
    findings: Sequence[Finding],
    read: str | None = None,
    counts: Callable[[Finding], bool] = lambda finding: True,
) -> Followed | None:
    """The merge with the uses of all findings renamed, if symbols and names then fit.

    `read`: see `follow`; `counts`: whether a finding about the result counts.
    """
    followed = follow(hub, changed, merged, findings, read) if findings else None
    if followed is None or any(map(counts, semantic_conflicts_of(hub, base, followed.changed, followed.tree))):
        return None
    return followed
