"""Selection of the checkers that have to read the merge of a change before it lands."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from activities.checkers.checker import Checker
from activities.checkers.merge_checks import concerned, decided
from activities.checkers.read_trees import ReadTrees
from activities.checkers.registry import checkers_of, missing
from activities.conflicts.recorded import ConflictRecorder
from activities.conflicts.semantic.sides import Finding
from activities.git.changes import changed_paths
from activities.git.hub import Hub
from activities.git.task_commits import landed_since
from activities.state.execution_store import ExecutionStore
from epw.core.landing import Change, Landing
from epw.core.plan.model import Plan


@dataclass(frozen=True)
class LandingChecks:
    """The checkers of a plan on this machine."""

    checkers: Mapping[str, Checker] = field(default_factory=dict)
    brings_programs: bool = False
    """Whether directories of attempts may hold programs that are not on this machine."""
    read_trees: ReadTrees | None = None

    @classmethod
    def of(cls, plan: Plan, execution: ExecutionStore) -> Self:
        """Those of a plan's `checks`."""
        return cls(checkers_of(plan.checks), plan.brings_programs, ReadTrees.of(execution))

    def decide(self, finding: Finding, change: Change, changed: Sequence[Collection[str]]) -> bool:
        """Whether one of them reads the merge, or has read it, and decides about a conflict that symbols show."""
        names = concerned(self.checkers, changed) if change.checked_with != "" else []
        return decided(finding, (self.checkers[name] for name in self._installed(names)))

    def to_read(
        self, hub: Hub, recorder: ConflictRecorder, head: str, change: Change, changed: Sequence[Collection[str]]
    ) -> list[str]:
        """Names of those that have not read the merge of a change; `changed`: paths that each side has changed."""
        if change.checked_with == "" or not self.checkers:
            return []
        names = list(dict.fromkeys([*concerned(self.checkers, changed), *self.to_read_again(recorder, change)]))
        if names and change.checked_with is not None:
            others = landed_since(hub, change.checked_with, head, change.beside)
            if others is None:
                return names
            since = [path for each in others.values() for path in changed_paths(hub, hub.parent_of(each), each)]
            return [name for name in names if any(map(self.checkers[name].concerns, since))]
        return names

    def unread(self, changed: Sequence[Collection[str]], tree: str) -> list[str]:
        """Those here that have something to read in a merge which lands without them, and have not read its tree."""
        read = self.read_trees.names(tree) if self.checkers and self.read_trees is not None else []
        return [name for name in self._installed(concerned(self.checkers, changed)) if name not in read]

    def to_read_again(self, recorder: ConflictRecorder, change: Change) -> list[str]:
        """Those because of which the task's earlier change did not land, and which have not read this one."""
        earlier = recorder.earlier(change) if self.checkers and change.checked_with is None else None
        messages = earlier.checker_messages if earlier is not None else []
        return [name for name in dict.fromkeys(row[0] for row in messages) if name in self.checkers]

    def read(self, paths: Iterable[str]) -> bool:
        """Whether for each of the files a checker is here."""
        here = [self.checkers[name] for name in self._installed([*self.checkers])]
        return all(any(each.concerns(path) for each in here) for path in paths)

    def waiting(self, names: Sequence[str], head: str, change: Change, merged: str) -> Landing | None:
        """The row of a change that has to be read first; None: nobody here can read it."""
        here = self._installed(names)
        return Landing(task_id=change.task_id, head=head, to_check=here, merged=merged) if here else None

    def _installed(self, names: Sequence[str]) -> list[str]:
        """Those of the names whose programs are here, or may be in the directory of an attempt."""
        return [name for name in names if not missing(self.checkers[name], self.brings_programs)]
