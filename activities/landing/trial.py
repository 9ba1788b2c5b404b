"""Trial: merges that checkers or `verify` have to read before they land, made onto the head and each other."""

from __future__ import annotations

from activities.git.hub import Hub
from activities.git.task_commits import landed_since
from activities.landing.merger import Merger
from epw.core.landing import Change, Landing

_MAX_TRIED = 20


def must_be_verified(hub: Hub, head: str, change: Change, row: Landing) -> bool:
    """Whether `verify` has to read a merge: both sides changed a file, and it has not passed with all that has."""
    if row.conflict is not None or not (row.shared_with or change.earlier):
        return False
    if change.verified_with is None:
        return True
    others = landed_since(hub, change.verified_with, head, change.beside)
    return others is None or any(task in others for task in row.shared_with)


class Trial:
    """Changes that wait to be tried, in order."""

    def __init__(self, merger: Merger, *, verifies: bool) -> None:
        self._merger = merger
        self._verifies = verifies
        self._changes: list[Change] = []

    def add(self, change: Change) -> None:
        """Add a change, behind the others."""
        self._changes.append(change)

    def rows(self, head: str) -> tuple[str, list[Landing]]:
        """The head, on which what has to be read no more has landed, and the results.

        A change that waits and has no merge does not merge with those before it: they may not land, so that this is
        nothing against it.
        """
        rows, onto = list[Landing](), head
        is_closed = False
        for change in self._changes:
            row = self._merger.land(onto, change)
            to_verify = self._verifies and must_be_verified(self._merger.hub, onto, change, row)
            if onto == head and (row.conflict is not None or not (to_verify or row.to_check)):
                head = onto = row.head
                rows.append(row)
                continue
            # What an earlier conflict was about, and what was rewritten, is looked at in one merge.
            alone = change.alone or bool(row.to_check and (change.earlier or row.renames))
            is_tried = not is_closed and not (alone and onto != head) and len(rows) < _MAX_TRIED
            merged = None
            if row.conflict is None and is_tried:
                merged = onto = row.merged or row.head
                is_closed = alone
            update = {"head": head, "waits": True, "to_verify": to_verify, "merged": merged, "conflict": None}
            rows.append(row.model_copy(update=update))
        return head, rows
