"""Prediction of conflicts: the unfinished changes of running tasks, merged pair by pair before either lands.

What merges is looked at by symbols and names where both changed code, or one file. What fits by these is offered to
checkers, which take as long as for a landing: they read it when there is time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from activities.conflicts.fit import semantic_conflicts
from activities.conflicts.semantic.languages import language_of
from activities.conflicts.semantic.sides import Finding
from activities.conflicts.textual.encoded_files import FilterDrivers
from activities.conflicts.textual.resolve import resolved_tree
from activities.conflicts.try_check import try_check
from activities.git.changes import changed_paths
from activities.git.command import display_path, display_paths
from activities.git.hub import Hub
from activities.git.merge import merge, merge_base
from activities.git.task_commits import tasks_that_touched
from epw.core.plan.parts import Message

_MAX_PATHS = 5
_MAX_OTHERS = 100


class WorkInProgress(Message):
    """Unfinished change of a running task, as a commit on the head that it started from."""

    task_id: str
    commit: str
    paths: list[str]
    """Paths, in the form of `display_path`."""


@dataclass(frozen=True)
class PredictedConflict:
    """Conflict that would arise if both sides landed as they are now."""

    tasks: tuple[str, ...]
    """Tasks of the other side."""
    paths: tuple[str, ...]
    kind: str
    has_landed: bool
    """Whether the other side is in the head already."""
    message: str = field(default="", compare=False)
    """What does not fit, of a semantic one; its lines move while the agents work."""

    def __str__(self) -> str:
        paths = ", ".join(display_paths(self.paths, _MAX_PATHS))
        others = " and ".join(self.tasks[:_MAX_PATHS]) or "what"
        how = f"{self.message}: does not fit" if self.message else "does not merge"
        return f"{paths}: {how} with {others}, {'landed' if self.has_landed else 'running'} ({self.kind})"


class Fit(NamedTuple):
    """Merge of two commits that fits by symbols and names; `task_id`: of the other, None: it has landed."""

    own: str
    other: str
    task_id: str | None
    base: str
    tree: str


class ConflictPredictor:
    """Predictor of the conflicts of one task; merges each pair of commits once. Blocking."""

    def __init__(self, hub: Hub, base: str, strategy: str, drivers: FilterDrivers | None = None) -> None:
        """`strategy`: how conflicts of the execution are merged first (`merge`, or empty)."""
        self._hub = hub
        self._base = base
        self._strategy = strategy
        self._drivers = drivers
        self._known: dict[tuple[str, str], PredictedConflict | None] = {}
        self.fits: dict[tuple[str, str], Fit] = {}
        """Merges that no checker has read yet, of the pairs that were looked at last."""
        self._told: dict[str | None, PredictedConflict] = {}
        """What checkers last told of a merge with each other task, until they have read another one."""
        self._head: str | None = None
        self._landed: set[str] = set()
        self.stopped = False
        """Set by the caller to end a prediction early."""

    def predict(
        self, own: WorkInProgress, others: Iterable[WorkInProgress], head: str | None
    ) -> list[PredictedConflict]:
        """Conflicts with the head, and with each of the other running tasks."""
        pairs = [*self._with_head(own, head), *self._with_others(own, others)]
        self._known = {(own.commit, other): found for other, found in pairs}
        self.fits = {pair: fit for pair, fit in self.fits.items() if pair in self._known}
        return self.current

    @property
    def current(self) -> list[PredictedConflict]:
        """The conflicts that are known now."""
        return [found for found in self._known.values() if found is not None]

    def was_read(self, fit: Fit, found: Sequence[Finding]) -> None:
        """Take what checkers have found in a merge."""
        pair = fit.own, fit.other
        self.fits.pop(pair, None)
        self._told.pop(fit.task_id, None)
        if found:
            self._told[fit.task_id] = self._conflict(fit.other, fit.task_id, found)
        if pair in self._known:
            self._known[pair] = self._told.get(fit.task_id)

    def _with_others(
        self, own: WorkInProgress, others: Iterable[WorkInProgress]
    ) -> Iterator[tuple[str, PredictedConflict | None]]:
        mine = set(own.paths)
        for other in islice(others, _MAX_OTHERS):
            if self.stopped:
                return
            if not mine.isdisjoint(other.paths) or (_has_code(own.paths) and _has_code(other.paths)):
                yield other.commit, self._merged(own, other.commit, other.task_id)

    def _with_head(self, own: WorkInProgress, head: str | None) -> Iterator[tuple[str, PredictedConflict | None]]:
        if head is None or head == self._base:
            return
        if head != self._head:
            self._head, self._landed = head, {display_path(path) for path in changed_paths(self._hub, self._base, head)}
        if not self._landed.isdisjoint(own.paths) or (_has_code(self._landed) and _has_code(own.paths)):
            yield head, self._merged(own, head, None)

    def _merged(self, own: WorkInProgress, other: str, task_id: str | None) -> PredictedConflict | None:
        if (own.commit, other) in self._known:
            return self._known[own.commit, other]
        merged = merge(self._hub, other, own.commit)
        if not merged.clean and self._drivers is not None:
            self._drivers.join(merged)
        tree = merged.tree if merged.clean else resolved_tree(self._hub, merged, self._strategy)
        if tree is not None:
            return self._misfit(own, other, task_id, tree)
        tasks = [task_id] if task_id else tasks_that_touched(self._hub, self._base, other, merged.paths)
        return PredictedConflict(tuple(tasks), tuple(merged.paths), merged.kind, has_landed=task_id is None)

    def _misfit(self, own: WorkInProgress, other: str, task_id: str | None, tree: str) -> PredictedConflict | None:
        base = merge_base(self._hub, other, own.commit)
        if base is None:
            return None
        if found := try_check(semantic_conflicts, self._hub, base, other, own.commit, tree):
            return self._conflict(other, task_id, found)
        self.fits[own.commit, other] = Fit(own.commit, other, task_id, base, tree)
        return self._told.get(task_id)

    def _conflict(self, other: str, task_id: str | None, found: Sequence[Finding]) -> PredictedConflict:
        paths = tuple(dict.fromkeys(path for each in found for path in (each.path, each.other)))
        theirs = [each.path if each.side == "ours" else each.other for each in found]
        tasks = [task_id] if task_id else tasks_that_touched(self._hub, self._base, other, theirs)
        first = found[0]
        said = f"{first.path}:{first.line}: {first.message} ({first.checker})" if first.checker else first.message
        message = display_path(said)
        return PredictedConflict(tuple(tasks), paths, "semantic", has_landed=task_id is None, message=message)


def _has_code(paths: Iterable[str]) -> bool:
    return any(language_of(path) is not None for path in paths)
