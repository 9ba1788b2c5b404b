"""Misfits: clean merges whose sides do not fit, and what may land instead where a rename is all there is to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from activities.checkers.landing_checks import LandingChecks
from activities.conflicts.fit import semantic_conflicts_of, with_uses_renamed
from activities.conflicts.recorded import ConflictRecorder
from activities.conflicts.renames.detect import with_renames
from activities.conflicts.renames.follow import Followed
from activities.conflicts.semantic.sides import Finding
from activities.conflicts.try_check import try_check
from activities.git.changes import Blobs
from activities.git.hub import Hub
from epw.core.landing import Change, ConflictFound


class Misfit(NamedTuple):
    """A merge that does not fit: its conflict, and the merge with uses renamed, where that may land instead."""

    conflict: ConflictFound
    followed: Followed | None


@dataclass(frozen=True)
class Misfits:
    """Search for misfits of landings: what symbols and names show now, and what checkers told of an earlier merge."""

    hub: Hub
    recorder: ConflictRecorder
    checks: LandingChecks

    def of(self, head: str, change: Change, started_from: str, changed: Sequence[Blobs], tree: str) -> Misfit | None:
        """The misfit of the merge `tree` of a change with the head; None: all fits.

        Uses follow renames where a step says so; under `merge` also without one, where a checker reads each file.
        """

        def counts(finding: Finding) -> bool:
            return not self.checks.decide(finding, change, changed)

        found = [*filter(counts, try_check(semantic_conflicts_of, self.hub, started_from, changed, tree))]
        told, read = ([], None) if found else self.recorder.told(change)
        findings = found or try_check(with_renames, self.hub, changed, told)
        if not findings:
            return None

        def rewritten() -> list[Followed | None]:
            return [with_uses_renamed(self.hub, started_from, changed, tree, findings, read, counts)]

        followed = next(iter(try_check(rewritten)), None)
        renames = followed.renames if followed is not None else []
        files = {use.file for each in renames for use in each.uses} | {each.file for each in renames}
        is_read = self.checks.read(files)
        if found:
            conflict = self.recorder.semantic(found, head, change, renames=renames, is_checked=is_read)
        else:
            conflict = self.recorder.again(change).model_copy(update={"renames": renames, "is_checked": is_read})
        is_automatic = change.way == "merge" and conflict.is_checked and change.checked_with != ""
        return Misfit(conflict, followed if change.follows_renames or is_automatic else None)
