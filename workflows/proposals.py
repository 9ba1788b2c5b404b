"""Tasks that agents propose to add: taken, refused, or asked about, as the plan's `onProposal` says."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from epw.core.decisions import proposals
from epw.core.errors import InvalidRequest
from epw.core.execution.additions import Additions
from epw.core.execution.state import ExecutionState
from epw.core.execution.steered import Steered
from workflows.clock import now
from workflows.open_questions import OpenQuestions


class Proposals:
    """Settles the proposals of one execution; each is noted in its result, with what has come of it."""

    def __init__(self, execution: ExecutionState, open_questions: OpenQuestions) -> None:
        self._execution = execution
        self._open_questions = open_questions

    def must_ask(self, task_id: str, tasks: list[dict[str, Any]]) -> bool:
        """Whether a person has to decide about what the agent of a task proposes; else it is settled now."""
        if not tasks or self._execution.stopping:
            return False
        policy, backend = (
            self._execution.plan.on_proposal,
            self._execution.plan.backend_of(self._execution.tasks[task_id].task),
        )
        if policy == "refuse":
            self._note(task_id, tasks, "refused by the plan's onProposal")
        elif (wrong := self._wrong(tasks)) is not None:
            self._note(task_id, tasks, f"refused: {wrong}")
        elif policy == "take" and proposals.is_plain(tasks, backend):
            self._take(tasks, self._note(task_id, tasks, ""))
        elif proposals.question(task_id, tasks) is None:
            self._note(task_id, tasks, "refused: it is too long to be shown in a question")
        else:
            return True
        return False

    def ask(self, task_id: str, tasks: list[dict[str, Any]], then: Callable[[], None]) -> None:
        """Ask a person; `then` is called once that is decided."""
        question = proposals.question(task_id, tasks)
        assert question is not None
        entry = self._note(task_id, tasks, "a person is asked")
        self._open_questions.ask(task_id, question, partial(self._settle, tasks, entry, then))

    def _settle(
        self, tasks: list[dict[str, Any]], entry: Steered, then: Callable[[], None], answer: str | None
    ) -> None:
        if answer == proposals.TAKE:
            self._take(tasks, entry)
        else:
            entry.outcome = "refused by a person" if answer is not None else "refused: nobody has answered"
        then()

    def _take(self, tasks: list[dict[str, Any]], entry: Steered) -> None:
        try:
            entry.outcome = f"added: {', '.join(Additions(self._execution).add(tasks, now()))}"
        except InvalidRequest as error:
            # What they depend on has ended meanwhile.
            entry.outcome = f"refused: {error}"

    def _wrong(self, tasks: list[dict[str, Any]]) -> str | None:
        try:
            Additions(self._execution).checked(tasks)
        except InvalidRequest as error:
            return str(error)
        return None

    def _note(self, task_id: str, tasks: list[dict[str, Any]], outcome: str) -> Steered:
        named = {"tasks": [str(each.get("id")) for each in tasks]}
        entry = Steered(now(), f"agent:{task_id}", "add_tasks", named, outcome[:500])
        self._execution.steering.append(entry)
        return entry
