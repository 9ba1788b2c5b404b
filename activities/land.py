"""Land: merge finished changes into the execution's head, one after the other, in the hub alone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.conflicts.hazards import TaskReads, hazards
from activities.conflicts.semantic.sides import Finding
from activities.conflicts.semantic.tree_check import semantic_conflicts, semantic_conflicts_of
from activities.conflicts.textual.case_collisions import case_collisions
from activities.conflicts.textual.encoded_files import FilterDrivers
from activities.conflicts.textual.hunks import conflict_hunks, limit_hunks
from activities.conflicts.textual.losses import Read, dropped_paths, overwritten_paths
from activities.conflicts.textual.new_attributes import encode_by_new_attributes
from activities.conflicts.textual.resolve import lock_files_to_regenerate, resolved_tree
from activities.git import commits
from activities.git.changes import changed_blobs, changed_paths
from activities.git.command import display_path, named
from activities.git.hub import Hub, trailers
from activities.git.merge import ATTRIBUTES, Merge, merge, same_attributes
from activities.git.submodules.picked import line_of
from activities.git.workspace import Workspace
from activities.state.activity_scope import activity_scope, current_execution, fencing_token
from activities.state.execution_store import ExecutionStore
from activities.state.plan_source import PlanSource
from activities.system.concurrency import in_thread
from activities.system.failpoints import failpoint
from epw.core.errors import Fenced
from epw.core.landing import Change, ConflictFound, Landed, Landing, LandRequest
from epw.core.messages import LAND
from epw.core.plan.model import Task

T = TypeVar("T")

_log = logging.getLogger(__name__)
_MAX_PATHS = 100
_MAX_HAZARDS = 20
_MAX_COMPARED = 500


class Lander:
    def __init__(self, home: Path, plans: PlanSource) -> None:
        self._home = home
        self._plans = plans

    @activity.defn(name=LAND)
    async def land(self, request: LandRequest) -> Landed:
        """Merge each change; a conflicting one is left out and recorded. Doing it twice makes the same head.

        Raises `Fenced`, not retried, where another run of the execution has moved the head.
        """
        execution = current_execution(self._home, request)
        try:
            async with activity_scope(self._home, execution.key + "/land"):
                execution.check_fence(LAND, fencing_token())
                running = await self._plans.of_current_execution()
                landed: Landed = await in_thread(land_changes, execution, request, running.tasks, running.plan.relock)
        except Fenced as error:
            raise ApplicationError(
                str(error), type=Fenced.__name__, non_retryable=True, category=ApplicationErrorCategory.BENIGN
            ) from None
        return landed


def land_changes(
    execution: ExecutionStore, request: LandRequest, tasks: Mapping[str, Task], relock: Collection[str] = ()
) -> Landed:
    hub, head, rows, advice = Hub(Path(request.hub)), request.head, [], _MAX_HAZARDS
    landing = _Landings(hub, execution, execution.workspace(), request.at, relock, FilterDrivers.of(execution, hub))
    reads = TaskReads(tasks, execution.reads)
    known = execution.has_reads() or any(task.reads for task in tasks.values())
    for change in request.changes:
        alone = request.detached or change.detached
        row = landing.detached(head, change) if alone else landing.merged(head, change)
        if known and advice > 0 and row.conflict is None and not alone:
            found = _advised(hazards, hub, reads, change.task_id, change.commit, head)[:advice]
            row = row.model_copy(update={"hazards": [*row.hazards, *found]})
            advice -= len(found)
        head = row.head
        rows.append(row)
        if (row.shared_with or change.earlier) and request.stop_at_shared_file:
            break
    failpoint("land.merged")
    hub.move_ref(execution.head_ref, head, request.expected or request.head)
    failpoint("land.moved")
    return Landed(head=head, rows=rows)


def _advised(look: Callable[..., Iterable[T]], *arguments: object) -> list[T]:
    """What a look at the files finds; nothing where it cannot: a landing does not fail for what an agent wrote."""
    try:
        return list(look(*arguments))
    except Exception as error:
        _log.warning("%s: %s: %s", getattr(look, "__name__", "look"), type(error).__name__, error)
        return []


@dataclass(frozen=True)
class _Landings:
    """Of changes, one after the other. `relock`: patterns of generated files."""

    hub: Hub
    execution: ExecutionStore
    author: Workspace
    at: int
    relock: Collection[str]
    drivers: FilterDrivers

    def merged(self, head: str, change: Change) -> Landing:
        """The change and the head, as a merge of both."""
        hub = self.hub
        if not change.commit:
            return self._lossless(head, change, Landing(task_id=change.task_id, head=head))
        started_from = hub.parent_of(change.commit)
        if started_from == head:
            if findings := self._again(change):
                return Landing(task_id=change.task_id, head=head, conflict=self._misfit(findings, head, change))
            if self.author.ignores_case and (alike := self._alike(change, None, change.commit, [head])):
                return Landing(task_id=change.task_id, head=head, conflict=alike)
            return self._lossless(head, change, Landing(task_id=change.task_id, head=change.commit))
        changed = changed_blobs(hub, started_from, head, change.commit)
        merged = self._merge(head, change.commit)
        settled = None
        if not merged.clean:
            settled = self._conflict(merged, head, started_from, change)
            tree = resolved_tree(hub, merged, change.way)
            if tree is None:
                relock = lock_files_to_regenerate(hub, merged, self.relock) if change.way == "merge" else []
                found = settled.model_copy(update={"relock": relock})
                return Landing(task_id=change.task_id, head=head, conflict=found)
            merged.tree = tree
        if findings := _advised(semantic_conflicts_of, hub, started_from, changed, merged.tree):
            return Landing(task_id=change.task_id, head=head, conflict=self._misfit(findings, head, change))
        alike = self._alike(change, list(changed[1]), merged.tree, [head, started_from])
        if alike is not None and self.author.ignores_case:
            return Landing(task_id=change.task_id, head=head, conflict=alike)
        stored = encode_by_new_attributes(self.drivers, (head, change.commit), changed, merged.tree)
        lines = trailers(self.execution.workflow_id, change.task_id, None)
        message = f"Merge task {change.task_id}\n\n{lines}"
        new = hub.commit(stored.tree, [head, change.commit], message, self.author, self.at)
        if ATTRIBUTES not in changed[1]:
            same_attributes(hub, head, new)
        touched = partial(hub.tasks_that_touched, started_from, head)
        both = [*merged.joined, *merged.stages]
        others = touched(both) if both else []
        joined = Landing(
            task_id=change.task_id,
            head=new,
            shared_with=others,
            shared_paths=named(both),
            settled=settled,
            hazards=[*filter(None, [alike]), *stored.advice(change.task_id, touched)],
        )
        return self._lossless(head, change, joined)

    def _merge(self, ours: str, theirs: str) -> Merge:
        merged = merge(self.hub, ours, theirs)
        if not merged.clean:
            self.drivers.join(merged)
        return merged

    def _lossless(self, head: str, change: Change, landed: Landing) -> Landing:
        """The landing with what running again has cost; a conflict still, where that may cost nothing."""
        found = landed.model_copy(update=self._lost(change, landed.head))
        lost = [*found.overwrote, *found.dropped]
        if not lost or not change.keeps_both or change.earlier is None:
            return found
        again, theirs = (", ".join(paths) for paths in (found.dropped, found.overwrote))
        what = [f"did not make its change of {again} again"] if again else []
        what += [f"removed lines of the other side in {theirs}"] if theirs else []
        known = self.execution.conflict(change.earlier)
        self.execution.keep_conflict(change.earlier, {**known, "head": head})
        others = self.hub.tasks_that_touched(known["base"], head, lost)
        conflict = ConflictFound(
            kind="lines",
            tasks=[change.task_id, *(each for each in others if each != change.task_id)],
            paths=list(dict.fromkeys(lost)),
            description=f"{change.task_id} ran again and {' and '.join(what)}"[:1000],
            commit=change.earlier,
        )
        return Landing(task_id=change.task_id, head=head, conflict=conflict)

    def detached(self, head: str, change: Change) -> Landing:
        """The change on a head that lacks some of what the change was made on, as a commit of its own."""
        hub, started_from = self.hub, self.hub.parent_of(change.commit)
        if started_from == head:
            return Landing(task_id=change.task_id, head=change.commit)
        merged = self._merge(*hub.siblings(started_from, head, change.commit))
        if not merged.clean:
            tree = resolved_tree(hub, merged, change.way)
            if tree is None:
                conflict = self._conflict(merged, head, started_from, change)
                return Landing(task_id=change.task_id, head=head, conflict=conflict)
            merged.tree = tree
        if self.author.ignores_case and (alike := self._alike(change, None, merged.tree, [head, started_from])):
            return Landing(task_id=change.task_id, head=head, conflict=alike)
        lines = f"{trailers(self.execution.workflow_id, change.task_id, None)}{line_of(hub, change.commit)}"
        message = f"{change.task_id}\n\n{lines}"
        new = hub.commit(merged.tree, [head], message, self.author, self.at)
        own = self.execution.ref("commits")
        if behind := commits.kept(hub, own).get(change.commit):
            commits.keep(hub, own, new, *behind)
        return Landing(task_id=change.task_id, head=new)

    def _earlier(self, change: Change) -> tuple[str, str, list[str]] | None:
        """Of the task's changes that did not merge: what the first was made on, the head that the last met, the paths
        of that one."""
        known = self.execution.conflict(change.earlier) if change.earlier else {}
        if not known or self.hub.resolve(known["head"]) is None:
            return None
        base = known.get("base") or self.hub.parent_of(known["commit"])
        return base, known["head"], known.get("paths", [])

    def _again(self, change: Change) -> list[Finding]:
        """What of the other side a change that was made on it does not fit still."""
        if (earlier := self._earlier(change)) is None:
            return []
        base, other, _ = earlier
        return _advised(semantic_conflicts, self.hub, base, other, change.commit, self.hub.tree_of(change.commit))

    def _lost(self, change: Change, new: str) -> dict[str, list[str]]:
        """What the task's run again has cost: paths in which one of the sides that had met is not whole any more."""
        if (earlier := self._earlier(change)) is None or change.earlier is None:
            return {}
        base, other, paths = earlier
        start = self.hub.parent_of(change.commit) if change.commit else new
        touched = {*paths, *(changed_paths(self.hub, start, change.commit) if change.commit else [])}
        theirs = [path for path in changed_paths(self.hub, base, other) if path in touched][:_MAX_COMPARED]
        read: Read = self.hub.files
        if self.author.filters:
            read = partial(self.drivers.files_as_seen, new)
        return {
            "overwrote": named(_advised(overwritten_paths, read, base, other, new, theirs)),
            "dropped": named(_advised(dropped_paths, self.hub, read, change.earlier, start, new)),
        }

    def _alike(
        self, change: Change, changed: list[str] | None, tree: str, before: Sequence[str]
    ) -> ConflictFound | None:
        """Names of the tree that are one file where case does not count, and that none of `before` has both.

        Only advice where it does count in the workspace. `changed`: the change's paths, where they are known already.
        """
        started_from = self.hub.parent_of(change.commit)
        if changed is None:
            changed = changed_paths(self.hub, started_from, change.commit)
        pairs = _advised(case_collisions, self.hub, tree, changed, before)
        if not pairs:
            return None
        paths = list(dict.fromkeys(path for pair in pairs for path in pair))
        others = self.hub.tasks_that_touched(started_from, before[0], paths)
        what = ", ".join(f"{display_path(one)} and {display_path(two)}" for one, two in pairs[:5])
        if self.author.ignores_case:
            told = f"{what} are one file in {self.author.path}, where case does not count"
            return self._kept(before[0], change, "case", others, paths, told, {"hunks": []})
        tasks = [change.task_id, *(each for each in others if each != change.task_id)]
        told = f"{what} are one file on many machines, where case does not count"
        return ConflictFound(kind="hazard", tasks=tasks, paths=named(paths), description=told[:1000])

    def _misfit(self, findings: list[Finding], head: str, change: Change) -> ConflictFound:
        """What merged line by line and does not fit together."""
        paths = list(dict.fromkeys(path for each in findings for path in (each.path, each.other)))
        others = self.hub.tasks_that_touched(self.hub.parent_of(change.commit), head, paths)
        hunks = [
            {
                "path": display_path(each.path),
                "line": each.line,
                "message": display_path(each.message),
                "other": {"path": display_path(each.other), "line": each.other_line},
            }
            for each in findings
        ]
        description = "; ".join(display_path(each.message) for each in findings[:5])
        return self._kept(head, change, "semantic", others, paths, description, {"hunks": limit_hunks(hunks)})

    def _conflict(self, merged: Merge, head: str, started_from: str, change: Change) -> ConflictFound:
        hub = self.hub
        others = hub.tasks_that_touched(started_from, head, merged.paths)
        detail = {
            "hunks": conflict_hunks(hub, merged),
            "messages": [display_path(message) for message in merged.messages],
        }
        sides = f"{change.task_id} and {', '.join(others) or 'what had landed'}"
        what = f"{merged.kind}: {merged.what}" if merged.what else merged.kind
        description = f"{sides} changed {', '.join(named(merged.paths))} in ways that do not merge ({what})"
        return self._kept(head, change, merged.kind, others, merged.paths, description, detail)

    def _kept(
        self,
        head: str,
        change: Change,
        kind: str,
        others: list[str],
        paths: list[str],
        description: str,
        detail: dict[str, Any],
    ) -> ConflictFound:
        """A conflict for the history; what is too large for that stands beside the execution."""
        earlier = self._earlier(change)
        base = earlier[0] if earlier else self.hub.parent_of(change.commit)
        whole = {**detail, "base": base, "head": head, "commit": change.commit, "paths": paths[:_MAX_PATHS]}
        self.execution.keep_conflict(change.commit, whole)
        return ConflictFound(
            kind=kind,
            tasks=[change.task_id, *(each for each in others if each != change.task_id)],
            paths=named(paths),
            description=description[:1000],
            commit=change.commit,
        )
