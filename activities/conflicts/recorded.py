"""Conflicts found by a landing: described for the history, with their details beside the execution."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

from activities.conflicts.entry import entry_of, in_words
from activities.conflicts.semantic.sides import Finding
from activities.conflicts.textual.hunks import conflict_hunks, limit_hunks
from activities.git.command import display_path, display_paths
from activities.git.hub import Hub
from activities.git.merge import Merge
from activities.git.task_commits import task_of_line, task_of_name, tasks_that_touched
from activities.git.workspace import Workspace
from activities.state.execution_store import ExecutionStore
from epw.core.landing import Change, ConflictFound
from epw.core.semantic_entry import Rename, SemanticEntry

MAX_DESCRIPTION = 1000
_MAX_PATHS = 100
_MAX_NAMED = 5
_MAX_BLAMED = 50


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
        description = (
            f"{sides} changed {', '.join(display_paths(merged.paths))} in ways that git does not merge ({merged.named})"
        )
        return self._record(head, change, merged.kind, others, merged.paths, description, detail)

    def semantic(
        self,
        findings: Sequence[Finding],
        head: str,
        change: Change,
        checker_messages: Sequence[Sequence[str]] = (),
        merged: str | None = None,
        renames: Sequence[Rename] = (),
        is_checked: bool = False,
    ) -> ConflictFound:
        """A clean merge whose sides do not fit together.

        `checker_messages`: see `EarlierConflict`; `merged`: the commit of the merge that they are about; `renames`:
        what uses can follow so that all fits; `is_checked`: whether checkers then read the result.
        """
        earlier, parent = self.earlier(change), self.hub.parent_of(change.commit)
        base, ours = parent, head
        if earlier is not None and head in (parent, earlier.head):
            # The change was made on top of the other side: both are compared from where they began.
            base, ours = earlier.base, earlier.head
        blame = _Blame(self.hub, base, ours, change, merged)
        blamed = [(each, blame.entry(each)) for each in findings[:_MAX_BLAMED]]
        others = dict.fromkeys(task for each, entry in blamed for task in blame.others(each, entry))
        entries = [entry for _, entry in blamed] + [entry_of(each) for each in findings[_MAX_BLAMED:]]
        hunks = [
            {
                "path": display_path(finding.path),
                "line": finding.line,
                "other": {"path": display_path(finding.other), "line": finding.other_line},
                **entry.document(),
            }
            for finding, entry in zip(findings, entries, strict=True)
        ]
        paths = list(dict.fromkeys(path for each in findings for path in (each.path, each.other)))
        description = "; ".join(in_words(each) for each in entries[:_MAX_NAMED])
        detail: dict[str, Any] = {"hunks": limit_hunks(hunks)}
        if checker_messages:
            detail["checkerMessages"] = [*map(list, checker_messages)]
        found = self._record(head, change, "semantic", list(others), paths, description, detail)
        found = found.model_copy(update={"semantic": entries[0], "renames": [*renames], "is_checked": is_checked})
        told = [asdict(each) for each in findings[:_MAX_BLAMED] if each.checker]
        known = self.execution.conflict(change.commit)
        more = {"told": told, "merged": merged, "found": found.model_dump(mode="json")}
        self.execution.keep_conflict(change.commit, {**known, **more})
        return found

    def told(self, change: Change) -> tuple[list[Finding], str | None]:
        """What checkers have told of a merge of this change, without renames, and the commit of that merge."""
        known = self.execution.conflict(change.commit)
        findings = [Finding(**row) for row in known.get("told", [])]
        removed = [replace(each, change="removed") if each.change == "renamed" else each for each in findings]
        return removed, known.get("merged")

    def again(self, change: Change) -> ConflictFound:
        """The recorded semantic conflict of this change."""
        return ConflictFound.model_validate(self.execution.conflict(change.commit)["found"])

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


@dataclass(frozen=True)
class _Blame:
    """The tasks whose commits since `base` made the places of findings what they are."""

    hub: Hub
    base: str
    ours: str
    change: Change
    merged: str | None

    def entry(self, finding: Finding) -> SemanticEntry:
        """The entry of a finding, with its tasks."""
        return entry_of(finding, self._definer(finding), self._user(finding))

    def others(self, finding: Finding, entry: SemanticEntry) -> list[str]:
        """Tasks of the landed side; where its place tells none, those that have changed the file."""
        place = entry.use if entry.use.side == "ours" else entry.definition
        if place is not None and place.task is not None:
            return [place.task]
        paths = [finding.path, finding.other]
        if finding.has_definition:
            paths = paths[:1] if finding.side == "ours" else paths[1:]
        return tasks_that_touched(self.hub, self.base, self.ours, paths)

    def _user(self, finding: Finding) -> str | None:
        if finding.side == "theirs":
            return self.change.task_id
        # A checker counts the lines of the merge.
        head = self.merged if finding.checker and self.merged else self.ours
        return task_of_line(self.hub, self.base, head, finding.path, finding.line)

    def _definer(self, finding: Finding) -> str | None:
        if not finding.has_definition:
            return None
        if finding.side == "ours":
            return self.change.task_id
        word = re.split(r"\W+", finding.name)[-1]
        by_name = task_of_name(self.hub, self.base, self.ours, finding.other, word) if word else None
        if finding.change in ("removed", "renamed", "moved"):
            return by_name
        return task_of_line(self.hub, self.base, self.ours, finding.other, finding.other_line) or by_name


def conflict_found(kind: str, change: Change, others: list[str], paths: list[str], description: str) -> ConflictFound:
    """A conflict between the change's task and others, within the bounds of the history."""
    return ConflictFound(
        kind=kind,
        tasks=[change.task_id, *(each for each in others if each != change.task_id)],
        paths=display_paths(paths),
        description=description[:MAX_DESCRIPTION],
    )
