"""Conflicts found by a landing: described for the history, with their details beside the execution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from activities.conflicts.semantic.sides import Finding
from activities.conflicts.textual.hunks import conflict_hunks, limit_hunks
from activities.git.command import display_path, display_paths
from activities.git.hub import Hub
from activities.git.merge import Merge
from activities.git.task_commits import tasks_that_touched
from activities.git.workspace import Workspace
from activities.state.execution_store import ExecutionStore
from epw.core.landing import Change, ConflictFound

MAX_DESCRIPTION = 1000
_MAX_PATHS = 100
_MAX_NAMED = 5


class EarlierConflict(NamedTuple):
    """A conflict of a task's earlier change, because of which the task ran again."""

    base: str
    """The commit on which the first of the earlier changes was made."""
    head: str
    """The head with which the last of them conflicted."""
    paths: list[str]
    checker_messages: list[list[str]]
    """What checkers said of the merge: checker, path, rule and text of each message."""


@dataclass(frozen=True)
class ConflictRecorder:
    """Records the conflicts of one landing."""

    hub: Hub
    execution: ExecutionStore
    workspace: Workspace

    def earlier(self, change: Change) -> EarlierConflict | None:
        """The conflict of the task's earlier change; None: there was none, or its head is gone."""
        known = self.execution.conflict(change.earlier) if change.earlier else {}
        if not known or self.hub.resolve(known["head"]) is None:
            return None
        base = known.get("base") or self.hub.parent_of(known["commit"])
        return EarlierConflict(base, known["head"], known.get("paths", []), known.get("checkerMessages", []))

    def textual(self, merged: Merge, head: str, started_from: str, change: Change) -> ConflictFound:
        """A merge that is not clean."""
        others = tasks_that_touched(self.hub, started_from, head, merged.paths)
        detail = {
            "hunks": conflict_hunks(self.hub, merged),
            "messages": [display_path(message) for message in merged.messages],
        }
        sides = f"{change.task_id} and {', '.join(others) or 'what had landed'}"
        what = f"{merged.kind}: {merged.what}" if merged.what else merged.kind
        description = (
            f"{sides} changed {', '.join(display_paths(merged.paths))} in ways that git does not merge ({what})"
        )
        return self._record(head, change, merged.kind, others, merged.paths, description, detail)

    def semantic(
        self, findings: list[Finding], head: str, change: Change, checker_messages: Sequence[Sequence[str]] = ()
    ) -> ConflictFound:
        """A clean merge whose sides do not fit together; `checker_messages`: see `EarlierConflict`."""
        paths = list(dict.fromkeys(path for each in findings for path in (each.path, each.other)))
        others = tasks_that_touched(self.hub, self.hub.parent_of(change.commit), head, paths)
        hunks = [
            {
                "path": display_path(each.path),
                "line": each.line,
                "message": display_path(each.message),
                "other": {"path": display_path(each.other), "line": each.other_line},
            }
            for each in findings
        ]
        description = "; ".join(display_path(each.message) for each in findings[:_MAX_NAMED])
        detail: dict[str, Any] = {"hunks": limit_hunks(hunks)}
        if checker_messages:
            detail["checkerMessages"] = [*map(list, checker_messages)]
        return self._record(head, change, "semantic", others, paths, description, detail)

    def case(self, pairs: Sequence[tuple[str, str]], head: str, change: Change) -> ConflictFound:
        """Pairs of names that are one file where case does not count; only advice where it counts in the workspace."""
        paths = list(dict.fromkeys(path for pair in pairs for path in pair))
        others = tasks_that_touched(self.hub, self.hub.parent_of(change.commit), head, paths)
        what = ", ".join(f"{display_path(one)} and {display_path(two)}" for one, two in pairs[:_MAX_NAMED])
        if self.workspace.ignores_case:
            description = f"{what} are one file in {self.workspace.path}, where case does not count"
            return self._record(head, change, "case", others, paths, description, {"hunks": []})
        description = f"{what} are one file on many machines, where case does not count"
        return conflict_found("hazard", change, others, paths, description)

    def _record(
        self,
        head: str,
        change: Change,
        kind: str,
        others: list[str],
        paths: list[str],
        description: str,
        detail: dict[str, Any],
    ) -> ConflictFound:
        """Keep the details, which are too large for the history, with the execution."""
        earlier = self.earlier(change)
        base = earlier.base if earlier else self.hub.parent_of(change.commit)
        whole = {**detail, "base": base, "head": head, "commit": change.commit, "paths": paths[:_MAX_PATHS]}
        self.execution.keep_conflict(change.commit, whole)
        return conflict_found(kind, change, others, paths, description).model_copy(update={"commit": change.commit})


def conflict_found(kind: str, change: Change, others: list[str], paths: list[str], description: str) -> ConflictFound:
    """A conflict between the change's task and others, within the bounds of the history."""
    return ConflictFound(
        kind=kind,
        tasks=[change.task_id, *(each for each in others if each != change.task_id)],
        paths=display_paths(paths),
        description=description[:MAX_DESCRIPTION],
    )
