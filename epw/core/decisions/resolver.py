"""How conflicts end: each is taken through its list of steps until the change is in the head, or stays out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from epw.core import failures
from epw.core.decisions.conflicts import Conflict
from epw.core.decisions.questions import Asked
from epw.core.errors import InvalidRequest
from epw.core.execution.state import ExecutionState
from epw.core.messages import ConflictFound, Failure, Landing, MergeContext, Question
from epw.core.plan.model import MODELS

_IN_TURN = "reruns-in-turn"
_ALL = ""
"""The path of the workspace itself."""
_FINAL = ("skip", "rollback")
_TEXTUAL = ("lines", "add-add", "modify-delete", "rename", "mode", "binary", "symlink")
_MAX_TEXT = 500
_MAX_RELOCKS = 5
_MAX_SIDES = 10

Ask = Callable[[str, Question, Callable[[str | None], None], Callable[[str], object]], Asked]


class Resolver:
    """`ask` puts a question to a person, and calls back with the answer, or with None; `now` is epoch ms.

    `patched`: whether an execution began with a named change of these rules.
    """

    def __init__(
        self, execution: ExecutionState, now: Callable[[], int], ask: Ask, patched: Callable[[str], bool]
    ) -> None:
        self.conflicts: list[Conflict] = []
        self._execution = execution
        self._now = now
        self._ask_person = ask
        self._patched = patched
        self._open: dict[str, Conflict] = {}
        """By the task whose change did not merge."""
        self._ways: dict[str, str] = {}
        self._earlier: dict[str, str] = {}
        self._steps_of_red: dict[str, list[str]] = {}
        """By task that turned the head red: what has not been tried yet."""

    def record(self, found: ConflictFound) -> Conflict:
        """Keep a conflict, still open."""
        agents = [self._execution.tasks[task].agent_id or "" for task in found.tasks]
        conflict = Conflict(f"c{len(self.conflicts) + 1}", found, agents, self._steps)
        self.conflicts.append(conflict)
        conflict.choices = self._choices(conflict)
        return conflict

    def way_of(self, task_id: str) -> str:
        """How a conflict of the task's change is merged in its landing."""
        first = next(iter(self._steps), "") == "merge" and not self._execution.batches
        return self._ways.get(task_id, "merge" if first else "")

    def earlier(self, task_id: str) -> str | None:
        """The change of the task that did not merge, where it has run again since."""
        return self._earlier.get(task_id)

    def must_keep_both(self, task_id: str) -> bool:
        """Whether what the task did when it ran again may cost neither side: nobody has decided that it may.

        A model that changes something has seen both sides, and decides.
        """
        conflict = self._open.get(task_id)
        if conflict is None or conflict.step != "retry":
            return False
        if self._execution.tasks[task_id].commit is None:
            return True
        # Where both merged and a check refused them, it is to do something else.
        return conflict.found.kind in _TEXTUAL and not self._has_model(task_id)

    def can_run_again(self, task_id: str) -> bool:
        """Whether the plan has another step than leaving it out for a landed change that turns the head red."""
        if (
            self._execution.stopping
            or self._execution.batches
            or self._execution.undoes_all
            or self._execution.graph.dependants[task_id]
        ):
            return False
        left = self._steps_of_red.get(task_id, self._steps)
        return any(step in ("retry", "ask") or (step == "agent" and self._has_model(task_id)) for step in left)

    def is_open(self, task_id: str) -> bool:
        """Whether a conflict of the task's change has not ended yet."""
        return task_id in self._open

    def conflicted(self, task_id: str, found: ConflictFound) -> None:
        """A change did not merge, for the first time or after a step: the next step."""
        conflict = self._open.get(task_id)
        if conflict is not None and found.commit is not None and found.commit == self._earlier.get(task_id):
            # Running again has cost one of the sides: it is about the earlier change still.
            found = found.model_copy(update={"kind": conflict.found.kind})
            self._execution.tasks[task_id].commit = found.commit
        if conflict is None:
            conflict = self._open[task_id] = self.record(found)
            if found.kind == "verify":
                conflict.left = list(self._steps_of_red.get(task_id, self._steps))
            if self.way_of(task_id) == "merge" and found.kind in _TEXTUAL:
                # Taken within that landing.
                conflict.left.remove("merge")
                conflict.take("merge", self._decided_by)
        before, met = conflict.found, conflict.meets(found.tasks)
        known = {"tasks": before.tasks} if len(found.tasks) == 1 else {}
        known |= {} if found.paths else {"paths": before.paths}
        conflict.found = found.model_copy(update=known)
        if conflict.step == "retry" and met and not self._execution.stopping and self._patched(_IN_TURN):
            # Not the side that it ran again for: another one landed meanwhile.
            self._run_again(task_id, conflict, merging=False)
        elif conflict.step == "merge" and self._can_relock(conflict):
            conflict.relocks += 1
            self._run_again(task_id, conflict, merging=True)
        else:
            self._go_on(task_id, conflict)

    def failed(self, task_id: str) -> bool:
        """Its agent could not do the task again, for good: the next step, if there is one that keeps its change out
        or asks; whether that was taken."""
        conflict = self._open.get(task_id)
        if conflict is None or self._execution.stopping:
            return False
        state = self._execution.tasks[task_id]
        # What did not merge is the change still; the agent's last attempt is none.
        state.commit = self._earlier.get(task_id) or conflict.found.commit or state.commit
        self._go_on(task_id, conflict, but=("merge",) if conflict.step == "merge" else ("retry", "agent", "merge"))
        return True

    def close(self) -> None:
        """Nothing goes on: what is still open ends with its change out of the head."""
        for conflict in self._open.values():
            conflict.take("skip", "strategy")
            conflict.end()
        self._open.clear()

    def landed(self, row: Landing) -> None:
        """The change is in the head: what was open of it is resolved."""
        for found in row.hazards:
            self.record(found)
        conflict = self._open.pop(row.task_id, None)
        if conflict is None and row.settled is not None:
            conflict = self.record(row.settled)
            conflict.take("merge", self._decided_by)
        if conflict is not None:
            if conflict.step == "retry" and self._has_model(row.task_id):
                conflict.decided_by_agent = True
            made_anew = conflict.found.relock if conflict.step == "merge" else []
            conflict.overwrote = [path for path in row.overwrote if path not in made_anew]
            conflict.dropped = [path for path in row.dropped if path not in made_anew]
            conflict.end()
            if conflict.found.kind == "verify":
                self._steps_of_red[row.task_id] = conflict.left

    def disputed(self, task_id: str) -> list[str]:
        """The paths of the open conflict of a task."""
        return self._open[task_id].found.paths if task_id in self._open else []

    def waiting(self, conflict_id: str) -> str:
        """The question by which a conflict waits for a person; raises `InvalidRequest` where it does not."""
        conflict = next((each for each in self.conflicts if each.id == conflict_id), None)
        if conflict is None:
            known = ", ".join(each.id for each in self.conflicts) or "none"
            raise InvalidRequest(f"there is no conflict {conflict_id!r} (there are: {known})")
        if conflict.asked is None or not conflict.waits:
            state = f"ended as {conflict.resolution}" if conflict.resolution else f"{conflict.step} is under way"
            raise InvalidRequest(f"conflict {conflict_id} does not wait for a choice: {state}")
        return conflict.asked.id

    @property
    def _steps(self) -> Sequence[str]:
        return self._execution.plan.steps_on_conflict(self._execution.strategy.on_conflict)

    @property
    def _decided_by(self) -> str:
        return "plan" if self._execution.plan.on_conflict is not None else "strategy"

    def _go_on(self, task_id: str, conflict: Conflict, but: tuple[str, ...] = ()) -> None:
        """The next step of the list that can be taken; at its end what the strategy says of a failure."""
        while conflict.left:
            step = conflict.left.pop(0)
            if step not in but and self._is_possible(step, task_id, conflict):
                self._take(step, self._decided_by, task_id, conflict)
                return
            conflict.passed_over.append(step)
        undoes_all = self._execution.strategy.stops_on_failure and self._execution.undoes_all
        self._take("rollback" if undoes_all else "skip", "strategy", task_id, conflict)

    def _is_possible(self, step: str, task_id: str, conflict: Conflict) -> bool:
        if step in _FINAL:
            return True
        if self._execution.stopping or self._execution.batches:
            return False
        if step.startswith("prefer:") and step.partition(":")[2] not in conflict.found.tasks:
            return False
        if step == "merge" or step.startswith("prefer:"):
            return conflict.found.kind in _TEXTUAL
        if step == "agent":
            return self._has_model(task_id)
        return True

    def _can_relock(self, conflict: Conflict) -> bool:
        """Whether the step `merge` goes on with commands; the head may move under them, but not for ever."""
        can = conflict.found.relock and not self._execution.stopping and not self._execution.batches
        return bool(can and conflict.relocks < _MAX_RELOCKS)

    def _run_again(self, task_id: str, conflict: Conflict, *, merging: bool) -> None:
        self._earlier[task_id] = self._execution.tasks[task_id].commit or ""
        dispute = self._dispute(task_id, conflict, merging=merging)
        # Where only a check has found them at odds it could be about any file.
        files = (dispute.paths or [_ALL]) if self._patched(_IN_TURN) else []
        self._execution.run_again(task_id, dispute, self._now(), files)

    def _has_model(self, task_id: str) -> bool:
        return self._execution.plan.agent_of(self._execution.tasks[task_id].task) in MODELS

    def _take(self, step: str, by: str, task_id: str, conflict: Conflict) -> None:
        conflict.take(step, by)
        if step in _FINAL:
            self._give_up(step, by, task_id, conflict)
        elif step == "ask":
            self._ask(task_id, conflict)
        elif step in ("retry", "agent"):
            self._ways.pop(task_id, None)
            self._run_again(task_id, conflict, merging=step == "agent")
        else:
            preferred = step.partition(":")[2]
            self._ways[task_id] = "merge" if step == "merge" else "theirs" if preferred == task_id else "ours"
            self._execution.land_again(task_id, self._now())

    def _give_up(self, step: str, by: str, task_id: str, conflict: Conflict) -> None:
        """The change stays out."""
        conflict.end()
        del self._open[task_id]
        kind = failures.VERIFY_FAILED if conflict.found.kind == "verify" else failures.MERGE_CONFLICT
        error = self._execution.tasks[task_id].error if conflict.tried else None
        last = f"; when it ran again: {error['type']}: {error['message'][:_MAX_TEXT]}" if error else ""
        failure = Failure.of(kind, f"{conflict.found.description}{last}; ended as {step}")
        self._execution.give_up(task_id, "conflicted", failure, self._now())
        if step == "rollback" and by != "strategy":
            self._execution.stopping = self._execution.undo_decided = True

    def _choices(self, conflict: Conflict) -> list[str]:
        """What a person can choose for a conflict of a change."""
        found = conflict.found
        if conflict.is_advice or not found.tasks:
            return []
        sides = [f"prefer:{each}" for each in found.tasks[:_MAX_SIDES]] if found.kind in _TEXTUAL else []
        return ["retry", *(["agent"] if self._has_model(found.tasks[0]) else []), *sides, *_FINAL]

    def _ask(self, task_id: str, conflict: Conflict) -> None:
        options = conflict.choices = self._choices(conflict)
        last = f"{conflict.tried[-1]} has not settled it: " if conflict.tried else ""
        text = f"Conflict {conflict.id}: {last}{conflict.found.description}. What is to become of it?"
        self._execution.waits_for_choice(task_id, self._now())
        settle = partial(self._chosen, task_id, conflict)
        asked = self._ask_person(task_id, Question.cut(text, options), settle, partial(_one_of, options))
        conflict.asked = None if asked.closed else asked

    def _chosen(self, task_id: str, conflict: Conflict, choice: str | None) -> None:
        conflict.asked = None
        if self._execution.tasks[task_id].is_terminal:
            return
        if choice is None:
            self._go_on(task_id, conflict)
        elif choice == self._execution.plan.on_question.default and not self._execution.plan.on_question.wait:
            self._take(choice, "plan", task_id, conflict)
        else:
            # Should it not help, the person is asked again.
            conflict.left.insert(0, "ask")
            self._take(choice, "user", task_id, conflict)

    def _dispute(self, task_id: str, conflict: Conflict, *, merging: bool) -> MergeContext:
        execution, found = self._execution, conflict.found
        sides = [execution.tasks[each].side(_MAX_TEXT) for each in found.tasks if each != task_id]
        own = execution.tasks[task_id]
        return MergeContext(
            description=found.description,
            paths=found.paths,
            sides=sides[:5],
            summary=own.summary,
            commit=own.commit if merging else None,
            fits=found.kind in _TEXTUAL,
            relock=found.relock if conflict.step == "merge" else [],
            found_with=None if found.kind == "verify" else found.commit,
        )


def _one_of(options: list[str], choice: str) -> None:
    if choice not in options:
        raise InvalidRequest(f"{choice[:100]!r} is none of: {', '.join(options)}")
