"""Rules for the steps of `onConflict`: those that an execution has, and those that are possible now."""

from __future__ import annotations

from collections.abc import Mapping

from epw.core.conflict_steps import ConflictStep, Situation, StepKind, choices, parse_step
from epw.core.decisions.conflicts import ADVICE_KINDS, Conflict
from epw.core.execution.state import ExecutionState
from epw.core.landing import ConflictFound

_MAX_REGENERATIONS = 5


class StepRules:
    """The steps of one execution's plan or strategy; `kinds` are those that they can name."""

    def __init__(self, execution: ExecutionState, kinds: Mapping[str, StepKind]) -> None:
        self.kinds = kinds
        named = execution.plan.steps_on_conflict(execution.strategy.on_conflict)
        self.steps = [parse_step(text, kinds) for text in named]
        self.decided_by = "plan" if execution.plan.on_conflict is not None else "strategy"
        """Chooser of these steps: `plan` or `strategy`."""
        self._execution = execution

    @property
    def landing_step(self) -> ConflictStep | None:
        """The first step, where a landing takes it itself before it reports a conflict."""
        first = self.steps[0] if self.steps and not self._execution.batches else None
        return first if first is not None and first.kind.landing_strategy else None

    @property
    def last_resort(self) -> ConflictStep:
        """The strategy's step where no other is left: `rollback` where a failure undoes everything anyway."""
        undoes_all = self._execution.strategy.stops_on_failure and self._execution.undoes_all
        return parse_step("rollback") if undoes_all else self.skip

    @property
    def skip(self) -> ConflictStep:
        """The step that leaves the change out."""
        return parse_step("skip")

    @property
    def only_final(self) -> bool:
        """Whether a change can only be left out now."""
        return self._execution.stopping or bool(self._execution.batches)

    def has_model(self, task_id: str) -> bool:
        """Whether a model does the task."""
        return self._execution.plan.backend_of(self._execution.tasks[task_id].task).driven_by_model

    def is_possible(self, step: ConflictStep, found: ConflictFound) -> bool:
        """Whether the step can be taken for this conflict now."""
        if step.kind.is_final:
            return True
        if self.only_final or (step.kind.names_task and step.target not in found.tasks):
            return False
        return step.kind.possible.holds(self._situation(found))

    def can_land_again(self, found: ConflictFound, left: list[ConflictStep]) -> bool:
        """Whether a step is left for a landed change that turns the head red, other than leaving it out."""
        situation = self._situation(found)
        return any(not step.kind.is_final and step.kind.possible.holds(situation) for step in left)

    def can_regenerate(self, conflict: Conflict) -> bool:
        """Whether the step under way goes on with the commands of `relock`; bounded, since the head can move."""
        if conflict.step is None or not conflict.step.kind.regenerates or not conflict.found.relock:
            return False
        return conflict.regenerations < _MAX_REGENERATIONS and not self.only_final

    def choices(self, found: ConflictFound) -> list[ConflictStep]:
        """The steps that a person can choose; advice has none."""
        if found.kind in ADVICE_KINDS or not found.tasks:
            return []
        return choices(self._situation(found), self.kinds.values())

    def _situation(self, found: ConflictFound) -> Situation:
        # What a model would merge is made on a head that was built again: its change may hold what was taken out.
        has_model = self.has_model(found.tasks[0]) and not found.is_of_head
        return Situation(found.kind, found.tasks, has_model, bool(found.renames), found.is_checked)
