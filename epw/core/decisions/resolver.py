"""How conflicts end: each is taken through the steps of `onConflict` until its change is in the head or stays out."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from epw.core.conflict_steps import APPLY_RENAME, CONFLICT_STEPS, TEXTUAL_KINDS, ConflictStep, StepKind
from epw.core.decisions.conflicted_change import IN_TURN, Ask, ConflictedChange
from epw.core.decisions.conflicts import Conflict
from epw.core.decisions.step_rules import StepRules
from epw.core.errors import InvalidRequest
from epw.core.execution.state import ExecutionState
from epw.core.landing import ConflictFound, Landing


class Resolver:
    """The conflicts of one execution.

    `now` is the time in epoch milliseconds. `patched`: whether the execution began with a named change of these rules
    (`workflow.patched`). `kinds` are the steps that a plan can name.
    """

    def __init__(
        self,
        execution: ExecutionState,
        now: Callable[[], int],
        ask: Ask,
        patched: Callable[[str], bool],
        kinds: Mapping[str, StepKind] = CONFLICT_STEPS,
    ) -> None:
        self.conflicts: list[Conflict] = []
        self._execution = execution
        self._now = now
        self._ask = ask
        self._patched = patched
        self._rules = StepRules(execution, kinds)
        self._changes: dict[str, ConflictedChange] = {}
        """Entries by task that had a conflict."""

    # What a landing asks.

    def merge_strategy(self, task_id: str) -> str:
        """How conflicts within the task's landing are merged; empty: they are not."""
        change, first = self._changes.get(task_id), self._rules.landing_step
        if change is not None and change.merge_strategy is not None:
            return change.merge_strategy
        return first.kind.landing_strategy if first is not None else ""

    def follows_renames(self, task_id: str) -> bool:
        """Whether the uses in the task's change are rewritten where they have to follow renames of the other side."""
        change = self._changes.get(task_id)
        return change is not None and change.follows_renames

    def earlier(self, task_id: str) -> str | None:
        """The change of the task that did not merge, where it has run again since."""
        change = self._changes.get(task_id)
        return change.earlier if change is not None else None

    def must_keep_both(self, task_id: str) -> bool:
        """Whether the task's new change may lose neither side: nobody has decided that it may.

        A model that changes something has seen both sides, and decides.
        """
        conflict = self._open(task_id)
        if conflict is None or conflict.step is None or not conflict.step.kind.reapplies:
            return False
        if self._execution.tasks[task_id].commit is None:
            return True
        # Where both merged and a check refused them, the new change has to differ.
        return conflict.found.kind in TEXTUAL_KINDS and not self._rules.has_model(task_id)

    def can_run_again(self, found: ConflictFound) -> bool:
        """Whether the first task, whose landed change makes the head fail, has another step than to be left out."""
        task_id = found.tasks[0]
        if self._rules.only_final or self._execution.undoes_all or self._execution.graph.dependants[task_id]:
            return False
        change = self._changes.get(task_id)
        return self._rules.can_land_again(found, change.left_if_red if change is not None else self._rules.steps)

    def is_open(self, task_id: str) -> bool:
        """Whether a conflict of the task's change has not ended yet."""
        return self._open(task_id) is not None

    def conflicting_paths(self, task_id: str) -> list[str]:
        """The paths of the task's open conflict."""
        conflict = self._open(task_id)
        return conflict.found.paths if conflict is not None else []

    def question_of(self, conflict_id: str) -> str:
        """The id of the question that a conflict waits for; raises `InvalidRequest` where it waits for none."""
        conflict = next((each for each in self.conflicts if each.id == conflict_id), None)
        if conflict is None:
            known = ", ".join(each.id for each in self.conflicts) or "none"
            raise InvalidRequest(f"there is no conflict {conflict_id!r} (there are: {known})")
        if conflict.asked is None or not conflict.waits:
            state = f"resolved by: {conflict.resolution}" if conflict.resolution else f"{conflict.step} is under way"
            raise InvalidRequest(f"conflict {conflict_id} does not wait for a choice: {state}")
        return conflict.asked.id

    # What happened.

    def record(self, found: ConflictFound) -> Conflict:
        """Keep a conflict, still open."""
        agents = [self._execution.tasks[task].agent_id or "" for task in found.tasks]
        conflict = Conflict(f"c{len(self.conflicts) + 1}", found, agents, list(self._rules.steps))
        self.conflicts.append(conflict)
        conflict.choices = self._rules.choices(found)
        return conflict

    def conflicted(self, task_id: str, found: ConflictFound) -> None:
        """Take the next step for a change that did not merge, for the first time or after a step."""
        change = self._change(task_id)
        conflict = change.conflict
        if conflict is not None and found.commit is not None and found.commit == change.earlier:
            # The new change lost one of the sides: what is to be merged is still the earlier one.
            found = found.model_copy(update={"kind": conflict.found.kind})
            self._execution.tasks[task_id].commit = found.commit
        if conflict is None:
            conflict = change.conflict = self._opened(change, found)
        before, met = conflict.found, conflict.meets(found.tasks)
        known = {"tasks": before.tasks} if len(found.tasks) == 1 else {}
        known |= {} if found.paths else {"paths": before.paths}
        conflict.found = found.model_copy(update={**known, "is_of_head": found.is_of_head or before.is_of_head})
        reapplies = conflict.step is not None and conflict.step.kind.reapplies
        if reapplies and met and not self._execution.stopping and self._patched(IN_TURN):
            # It made its change again for one side, and another one landed meanwhile.
            change.attempt_again(merging=False)
        elif self._rules.can_regenerate(conflict):
            conflict.regenerations += 1
            change.attempt_again(merging=True)
        else:
            change.next_step()

    def failed(self, task_id: str) -> bool:
        """Take the next step that needs no attempt, since the task's last one failed; false: no conflict is open."""
        change = self._changes.get(task_id)
        if change is None or change.conflict is None or self._execution.stopping:
            return False
        state, conflict = self._execution.tasks[task_id], change.conflict
        # The change is the one that did not merge; the failed attempt made none.
        state.commit = change.earlier or conflict.found.commit or state.commit
        regenerating = conflict.step is not None and conflict.step.kind.regenerates
        change.next_step(excluded=lambda kind: kind.regenerates or (kind.runs_agent and not regenerating))
        return True

    def landed(self, row: Landing) -> None:
        """End the task's open conflict: its change is in the head."""
        for found in row.hazards:
            self.record(found)
        first, conflict = self._rules.landing_step, self._open(row.task_id)
        if conflict is None and row.settled is not None and first is not None:
            conflict = self.record(row.settled)
            conflict.take(first, self._rules.decided_by)
        if conflict is None or conflict.step is None:
            return
        change = self._change(row.task_id)
        if row.renames:
            change.follows_renames = True
            conflict.settled_by(ConflictStep(CONFLICT_STEPS[APPLY_RENAME]), row.renames)
        step = conflict.step.kind
        change.conflict = None
        regenerated = conflict.found.relock if step.regenerates else []
        conflict.overwrote = [path for path in row.overwrote if path not in regenerated]
        conflict.dropped = [path for path in row.dropped if path not in regenerated]
        conflict.end(by_model=step.runs_agent and self._rules.has_model(row.task_id))
        if conflict.found.is_of_head or conflict.found.kind == "verify":
            change.left_if_red = conflict.left

    def left_out(self, found: ConflictFound) -> None:
        """Keep a conflict that has ended: a landed change is taken out of the head again."""
        self._end_without_change(self.record(found))

    def cancelled(self, task_id: str) -> None:
        """End the task's open conflict: a person has cancelled the task."""
        change = self._changes.get(task_id)
        if change is not None and change.conflict is not None:
            conflict, change.conflict = change.conflict, None
            conflict.take(self._rules.skip, "user")
            conflict.end()

    def restarted(self, task_id: str) -> None:
        """Forget the task's change, which a person has let go of: it runs again, and all steps are left."""
        change = self._changes.pop(task_id, None)
        if change is not None and change.conflict is not None:
            change.conflict.take(self._rules.skip, "user")
            change.conflict.end()

    def close(self) -> None:
        """End every open conflict with its change out of the head: the execution has ended."""
        for change in self._changes.values():
            if change.conflict is not None:
                self._end_without_change(change.conflict)
                change.conflict = None

    def _end_without_change(self, conflict: Conflict) -> None:
        conflict.take(self._rules.skip, "strategy")
        conflict.end()

    def _opened(self, change: ConflictedChange, found: ConflictFound) -> Conflict:
        """A new conflict; the step that its landing has taken itself is under way."""
        conflict, first = self.record(found), self._rules.landing_step
        if found.is_of_head or found.kind == "verify":
            conflict.left = list(change.left_if_red)
        in_landing = first is not None and self.merge_strategy(change.task_id) == first.kind.landing_strategy
        conflict.tried += found.tried
        if first is not None and in_landing and found.kind in TEXTUAL_KINDS:
            conflict.left.remove(first)
            conflict.take(first, self._rules.decided_by)
        elif first is not None and found.tried:
            conflict.left.remove(first)
        return conflict

    def _open(self, task_id: str) -> Conflict | None:
        change = self._changes.get(task_id)
        return change.conflict if change is not None else None

    def _change(self, task_id: str) -> ConflictedChange:
        if task_id not in self._changes:
            self._changes[task_id] = ConflictedChange(
                task_id, self._execution, self._rules, self._now, self._ask, self._patched
            )
        return self._changes[task_id]
