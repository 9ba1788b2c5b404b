"""One task's change on its way through the steps of `onConflict`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from epw.core import failures
from epw.core.conflict_steps import TEXTUAL_KINDS, ConflictStep, StepKind, parse_step
from epw.core.decisions.conflicts import Conflict
from epw.core.decisions.questions import Asked
from epw.core.decisions.step_rules import StepRules
from epw.core.errors import InvalidRequest
from epw.core.execution.state import ExecutionState
from epw.core.messages import Failure, MergeContext, Question

IN_TURN = "reruns-in-turn"
"""An attempt on both sides keeps the conflicting files to itself until it has landed."""
_WISH = "what-a-person-leaves-out-is-no-failure"
_WORKSPACE = ""
"""The path of the workspace itself."""
_MAX_TEXT = 500
_MAX_SIDES = 5

Ask = Callable[[str, Question, Callable[[str | None], None], Callable[[str], object]], Asked]
"""Asks a person a question about a task; calls back with the answer, or with None where none comes."""


class ConflictedChange:
    """A task's change that did not merge, or might not: takes steps, as their `Resolution`.

    `now` is the time in epoch milliseconds. `patched`: whether the execution began with a named change of these rules.
    """

    def __init__(
        self,
        task_id: str,
        execution: ExecutionState,
        rules: StepRules,
        now: Callable[[], int],
        ask: Ask,
        patched: Callable[[str], bool],
    ) -> None:
        self.task_id = task_id
        self.conflict: Conflict | None = None
        """The conflict that has not ended yet."""
        self.merge_strategy: str | None = None
        """How the next landing merges conflicts; None: as a first landing does."""
        self.follows_renames = False
        """Whether the uses in it follow renames of the other side."""
        self.earlier: str | None = None
        """The change that did not merge, where the task has run again since."""
        self.left_if_red = list(rules.steps)
        """Steps that are left for the case that the landed change makes `verify` fail."""
        self._execution = execution
        self._rules = rules
        self._now = now
        self._ask = ask
        self._patched = patched

    @property
    def _open(self) -> Conflict:
        assert self.conflict is not None, "only an open conflict takes steps"
        return self.conflict

    def next_step(self, excluded: Callable[[StepKind], bool] = lambda kind: False) -> None:
        """Take the next possible step; after the last one the strategy decides."""
        conflict = self._open
        while conflict.left:
            step = conflict.left.pop(0)
            if self._rules.is_possible(step, conflict.found) and not excluded(step.kind):
                self._take(step, self._rules.decided_by)
                return
            conflict.passed_over.append(str(step))
        self._take(self._rules.last_resort, "strategy")

    def _take(self, step: ConflictStep, by: str) -> None:
        self._open.take(step, by)
        step.kind.take(self, step.target)

    # What a step can do.

    def run_again(self, *, merging: bool) -> None:
        """Start another attempt on the head; `merging`: on the merge of both sides, with conflict markers."""
        self.merge_strategy, self.follows_renames = None, False
        self.attempt_again(merging=merging)

    def attempt_again(self, *, merging: bool) -> None:
        """Start another attempt within the step under way."""
        self.earlier = self._execution.tasks[self.task_id].commit or ""
        context = self._merge_context(merging=merging)
        # Where only a check found the sides at odds, it could be about any file.
        files = (context.paths or [_WORKSPACE]) if self._patched(IN_TURN) else []
        self._execution.run_again(self.task_id, context, self._now(), files)

    def land_again(self, merge_strategy: str) -> None:
        """Land the change once more, its conflicts merged by this strategy."""
        self.merge_strategy = merge_strategy
        self._execution.land_again(self.task_id, self._now())

    def follow_renames(self) -> None:
        """Land the change once more, with the uses of what the other side has renamed rewritten."""
        self.follows_renames = True
        self._execution.land_again(self.task_id, self._now())

    def ask_person(self) -> None:
        """Ask which of the possible steps is taken."""
        conflict = self._open
        conflict.choices = self._rules.choices(conflict.found)
        options = [str(each) for each in conflict.choices]
        last = f"{conflict.tried[-1]} has not settled it: " if conflict.tried else ""
        text = f"Conflict {conflict.id}: {last}{conflict.found.description}. What is to become of it?"
        self._execution.waits_for_choice(self.task_id, self._now())
        asked = self._ask(
            self.task_id, Question.cut(text, options), partial(self._chosen, conflict), partial(_check_choice, options)
        )
        conflict.asked = None if asked.closed else asked

    def leave_out(self, *, undo_all: bool) -> None:
        """End the task as `conflicted`; `undo_all`: if the strategy did not choose it, everything is undone too."""
        conflict, self.conflict = self._open, None
        conflict.end()
        kind = failures.VERIFY_FAILED if conflict.found.kind == "verify" else failures.MERGE_CONFLICT
        error = self._execution.tasks[self.task_id].error if conflict.tried else None
        last = f"; when it ran again: {error['type']}: {error['message'][:_MAX_TEXT]}" if error else ""
        by = "" if kind is failures.VERIFY_FAILED else f"; resolved by: {conflict.resolution}"
        failure = Failure.of(kind, f"{conflict.found.description}{last}{by}", conflict.found.command)
        is_wish = conflict.chosen_by == "user" and not undo_all and self._patched(_WISH)
        self._execution.give_up(self.task_id, "conflicted", failure, self._now(), is_wish=is_wish)
        if undo_all and conflict.chosen_by != "strategy":
            self._execution.stopping = self._execution.undo_decided = True

    def _chosen(self, conflict: Conflict, choice: str | None) -> None:
        """Take the step that answers the question; None: nobody answered."""
        conflict.asked = None
        if self._execution.tasks[self.task_id].is_terminal:
            return
        policy = self._execution.plan.on_question
        if choice is None:
            self.next_step()
            return
        step = parse_step(choice, self._rules.kinds)
        if choice == policy.default and not policy.wait:
            self._take(step, "plan")
            return
        if conflict.step is not None:
            # Should the choice not help, the person is asked again.
            conflict.left.insert(0, conflict.step)
        self._take(step, "user")

    def _merge_context(self, *, merging: bool) -> MergeContext:
        execution, conflict = self._execution, self._open
        found, own = conflict.found, execution.tasks[self.task_id]
        sides = [execution.tasks[each].side(_MAX_TEXT) for each in found.tasks if each != self.task_id]
        return MergeContext(
            description=found.description,
            paths=found.paths,
            sides=sides[:_MAX_SIDES],
            summary=own.summary,
            commit=own.commit if merging else None,
            fits=found.kind in TEXTUAL_KINDS,
            relock=found.relock if conflict.step is not None and conflict.step.kind.regenerates else [],
            found_with=None if found.kind == "verify" else found.commit,
        )


def _check_choice(options: list[str], choice: str) -> None:
    if choice not in options:
        raise InvalidRequest(f"{choice[:100]!r} must be one of: {', '.join(options)}")
