"""Merge of one change into a head, in the hub, with everything that decides whether it may land."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial

from activities.checkers.landing_checks import LandingChecks
from activities.checkers.misfits import Misfits
from activities.conflicts.fit import semantic_conflicts
from activities.conflicts.recorded import ConflictRecorder, conflict_found
from activities.conflicts.semantic.sides import Finding
from activities.conflicts.textual.case_collisions import case_collisions
from activities.conflicts.textual.encoded_files import FilterDrivers
from activities.conflicts.textual.losses import Read, dropped_paths, overwritten_paths
from activities.conflicts.textual.new_attributes import encode_by_new_attributes
from activities.conflicts.textual.resolve import lock_files_to_regenerate, resolved_tree
from activities.conflicts.try_check import try_check
from activities.git import own_commits
from activities.git.changes import changed_blobs, changed_paths
from activities.git.command import display_paths
from activities.git.hub import Hub
from activities.git.merge import Merge, merge
from activities.git.merge_attributes import ATTRIBUTES, same_attributes
from activities.git.task_commits import message_of_change, tasks_that_touched, trailers
from activities.git.workspace import Workspace
from activities.state.execution_store import ExecutionStore
from epw.core.landing import NOT_INSTALLED, Change, ConflictFound, Landing

_MAX_COMPARED = 500


@dataclass(frozen=True)
class Merger:
    """Merges one change after the other."""

    hub: Hub
    execution: ExecutionStore
    workspace: Workspace
    at: int
    """Time of the commits, epoch seconds."""
    relock: Collection[str]
    drivers: FilterDrivers
    recorder: ConflictRecorder
    checks: LandingChecks
    misfits: Misfits

    def land(self, head: str, change: Change) -> Landing:
        """Land the change, alone where it is detached."""
        return self.pick(head, change) if change.detached else self.merge(head, change)

    def merge(self, head: str, change: Change) -> Landing:
        """Land the change as a merge with the head."""
        hub = self.hub
        if not change.commit:
            return self._with_losses(head, change, Landing(task_id=change.task_id, head=head))
        started_from = hub.parent_of(change.commit)
        if started_from == head:
            return self._fast_forward(head, change)
        changed = changed_blobs(hub, started_from, head, change.commit)
        merged = self._merged(head, change.commit)
        settled = None
        if not merged.clean:
            settled = self.recorder.textual(merged, head, started_from, change)
            tree = resolved_tree(hub, merged, change.way)
            if tree is None:
                relock = lock_files_to_regenerate(hub, merged, self.relock) if change.way == "merge" else []
                return _conflicting(head, change, settled.model_copy(update={"relock": relock}))
            merged.tree = tree
        misfit = self.misfits.of(head, change, started_from, changed, merged.tree)
        if misfit is not None and misfit.followed is None:
            return _conflicting(head, change, misfit.conflict)
        renames = []
        if misfit is not None and misfit.followed is not None:
            settled, merged.tree, renames = misfit.conflict, misfit.followed.tree, misfit.followed.renames
        case = self._case(change, list(changed[1]), merged.tree, [head, started_from])
        if case is not None and self.workspace.ignores_case:
            return _conflicting(head, change, case)
        stored = encode_by_new_attributes(self.drivers, (head, change.commit), changed, merged.tree)
        lines = trailers(self.execution.workflow_id, change.task_id, None)
        message = f"Merge task {change.task_id}\n\n{lines}"
        new = hub.commit(stored.tree, [head, change.commit], message, self.workspace, change.at or self.at)
        if not any(os.path.basename(path) == ATTRIBUTES for path in changed[1]):
            same_attributes(hub, head, new)
        touched = partial(tasks_that_touched, hub, started_from, head)
        both = [*merged.joined, *merged.stages]
        shared_with, shared_paths = touched(both) if both else [], display_paths(both)
        to_read = self.checks.to_read(hub, self.recorder, head, change, changed)
        if (waiting := self.checks.waiting(to_read, head, change, new)) is not None:
            rewritten = {"settled": settled, "renames": renames} if renames else {}
            return waiting.model_copy(update={"shared_with": shared_with, "shared_paths": shared_paths, **rewritten})
        landing = Landing(
            task_id=change.task_id,
            head=new,
            shared_with=shared_with,
            shared_paths=shared_paths,
            settled=settled,
            renames=renames,
            unchecked=[f"{name}{NOT_INSTALLED}" for name in to_read],
            unread=self.checks.unread(changed, stored.tree) if change.checked_with == "" else [],
            hazards=[*filter(None, [case]), *stored.advice(change.task_id, touched)],
        )
        return self._with_losses(head, change, landing)

    def pick(self, head: str, change: Change) -> Landing:
        """Land the change alone, as one commit on a head that lacks some of what the change was made on."""
        hub, started_from = self.hub, self.hub.parent_of(change.commit)
        if started_from == head:
            return Landing(task_id=change.task_id, head=change.commit)
        merged = self._merged(*hub.siblings(started_from, head, change.commit))
        if not merged.clean:
            tree = resolved_tree(hub, merged, change.way)
            if tree is None:
                return _conflicting(head, change, self.recorder.textual(merged, head, started_from, change))
            merged.tree = tree
        changed = changed_blobs(hub, started_from, head, change.commit)
        # Checkers read the head at its end, and not this merge: none decides about it.
        misfit = replace(self.misfits, checks=LandingChecks()).of(head, change, started_from, changed, merged.tree)
        if misfit is not None and misfit.followed is None:
            return _conflicting(head, change, misfit.conflict)
        if misfit is not None and misfit.followed is not None:
            merged.tree = misfit.followed.tree
        case = self._case(change, None, merged.tree, [head, started_from]) if self.workspace.ignores_case else None
        if case is not None:
            return _conflicting(head, change, case)
        message = message_of_change(hub, change.commit)
        new = hub.commit(merged.tree, [head], message, self.workspace, change.at or self.at)
        prefix = self.execution.ref("commits")
        if agents_own := own_commits.read_ranges(hub, prefix).get(change.commit):
            own_commits.keep_range(hub, prefix, new, *agents_own)
        unread = self.checks.unread(changed, merged.tree)
        return Landing(task_id=change.task_id, head=new, unread=unread)

    def _fast_forward(self, head: str, change: Change) -> Landing:
        if findings := self._still_misfitting(change):
            return _conflicting(head, change, self.recorder.semantic(findings, head, change))
        case = self._case(change, None, change.commit, [head]) if self.workspace.ignores_case else None
        if case is not None:
            return _conflicting(head, change, case)
        to_read = self.checks.to_read_again(self.recorder, change)
        if (waiting := self.checks.waiting(to_read, head, change, change.commit)) is not None:
            return waiting
        return self._with_losses(head, change, Landing(task_id=change.task_id, head=change.commit))

    def _merged(self, ours: str, theirs: str) -> Merge:
        merged = merge(self.hub, ours, theirs)
        if not merged.clean:
            self.drivers.join(merged)
        return merged

    def _with_losses(self, head: str, change: Change, landing: Landing) -> Landing:
        """The landing, with the lines that a rerun of the task has lost; a conflict where it may lose none."""
        landing = landing.model_copy(update=self._losses(change, landing.head))
        lost = [*landing.overwrote, *landing.dropped]
        if not lost or not change.keeps_both or change.earlier is None:
            return landing
        dropped, overwrote = (", ".join(paths) for paths in (landing.dropped, landing.overwrote))
        what = [f"did not make its change of {dropped} again"] if dropped else []
        what += [f"removed lines of the other side in {overwrote}"] if overwrote else []
        known = self.execution.conflict(change.earlier)
        self.execution.keep_conflict(change.earlier, {**known, "head": head})
        others = tasks_that_touched(self.hub, known["base"], head, lost)
        description = f"{change.task_id} ran again and {' and '.join(what)}"
        conflict = conflict_found("lines", change, others, [], description)
        update = {"paths": list(dict.fromkeys(lost)), "commit": change.earlier}
        return _conflicting(head, change, conflict.model_copy(update=update))

    def _still_misfitting(self, change: Change) -> list[Finding]:
        """Semantic conflicts with the other side that remain in a change which was made on top of it."""
        if (earlier := self.recorder.earlier(change)) is None:
            return []
        tree = self.hub.tree_of(change.commit)
        # As if it had been made where the first one began: its uses are new against that.
        made = merge(self.hub, earlier.base, change.commit, earlier.head)
        theirs = made.tree if made.clean else change.commit
        return try_check(semantic_conflicts, self.hub, earlier.base, earlier.head, theirs, tree)

    def _losses(self, change: Change, new: str) -> dict[str, list[str]]:
        """Paths in which a rerun of the task has lost lines of one of the sides that had conflicted."""
        if (earlier := self.recorder.earlier(change)) is None or change.earlier is None:
            return {}
        start = self.hub.parent_of(change.commit) if change.commit else new
        touched = {*earlier.paths, *(changed_paths(self.hub, start, change.commit) if change.commit else [])}
        theirs = [path for path in changed_paths(self.hub, earlier.base, earlier.head) if path in touched]
        read: Read = self.hub.files
        if self.workspace.filters:
            read = partial(self.drivers.files_as_seen, new)
        overwrote = try_check(overwritten_paths, read, earlier.base, earlier.head, new, theirs[:_MAX_COMPARED])
        dropped = try_check(dropped_paths, self.hub, read, change.earlier, start, new)
        return {"overwrote": display_paths(overwrote), "dropped": display_paths(dropped)}

    def _case(
        self, change: Change, changed: list[str] | None, tree: str, before: Sequence[str]
    ) -> ConflictFound | None:
        """A conflict of names in the tree that are one file where case does not count.

        `before`: the head, and other trees; only pairs that none of them has. `changed`: paths of the change, where
        they are known already.
        """
        if changed is None:
            changed = changed_paths(self.hub, self.hub.parent_of(change.commit), change.commit)
        pairs = try_check(case_collisions, self.hub, tree, changed, before)
        return self.recorder.case(pairs, before[0], change) if pairs else None


def _conflicting(head: str, change: Change, conflict: ConflictFound) -> Landing:
    return Landing(task_id=change.task_id, head=head, conflict=conflict)
