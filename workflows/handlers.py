"""Updates, signals and queries of an execution: what callers can change and ask while it runs."""

from __future__ import annotations

from typing import Any

from epw.core.decisions.questions import Asked, Questions
from epw.core.decisions.resolver import Resolver
from epw.core.errors import InvalidRequest
from epw.core.execution.reported_waits import ReportedWaits
from epw.core.execution.state import ExecutionState
from epw.core.execution.steered import Steered
from epw.core.plan.requests import (
    AnswerQuestion,
    HostAway,
    InLine,
    Nothing,
    Page,
    ResolveConflict,
    SpentSoFar,
    SteeringRequest,
    UrlSilent,
)
from epw.core.report import result
from workflows.clock import now
from workflows.display import Display
from workflows.event_queue import EventQueue
from workflows.open_questions import OpenQuestions
from workflows.typed_handlers import query, signal, update


class ExecutionHandlers:
    """Base of the workflow, which sets these attributes before any handler is called."""

    _invalid: str
    """Reason why the plan cannot run; empty for a valid plan. The other attributes exist for a valid plan only."""
    _execution: ExecutionState
    _questions: Questions
    _open_questions: OpenQuestions
    _resolver: Resolver
    _resource_waits: ReportedWaits
    _host_waits: ReportedWaits
    _events: EventQueue
    _display: Display

    def check_open(self) -> None:
        """Raise `InvalidRequest` where the execution takes no update: its plan is invalid, or it is ending."""
        if self._opened.stopping or not self._display.is_running:
            raise InvalidRequest(f"the execution is ending ({self._display.status})")

    @property
    def _opened(self) -> ExecutionState:
        if self._invalid:
            raise InvalidRequest(f"the plan is invalid: {self._invalid}")
        return self._execution

    def _steered(self, action: str, message: SteeringRequest, outcome: str) -> Steered:
        """Note an accepted update, and wake the main loop."""
        entry = Steered.of(action, message, now(), outcome)
        self._execution.steering.append(entry)
        self._events.notify()
        return entry

    def _check_answer(self, message: AnswerQuestion) -> None:
        self._answerable(message).check_answer(message.text)

    def _answerable(self, message: AnswerQuestion) -> Asked:
        return self._questions.answerable(message.question_id, self._open_questions.is_correctable)

    @update(AnswerQuestion, check=_check_answer)
    def answer(self, message: AnswerQuestion) -> dict[str, Any]:
        """Answer an agent's question, or correct the answer until the attempt that gets it has started."""
        asked = self._answerable(message)
        self._open_questions.answer(asked, message.text)
        self._steered("answer", message, f"{asked.task_id} goes on")
        return asked.document()

    def _check_choice(self, message: ResolveConflict) -> None:
        asked = self._questions.answerable(self._resolver.question_of(message.conflict_id))
        asked.check_answer(message.choice)

    @update(ResolveConflict, check=_check_choice)
    def resolve_conflict(self, message: ResolveConflict) -> dict[str, Any]:
        """Choose how a conflict that waits for a person is resolved; the first choice wins."""
        asked = self._questions.answerable(self._resolver.question_of(message.conflict_id))
        self._open_questions.answer(asked, message.choice)
        self._steered("resolve_conflict", message, f"{message.choice} is tried")
        return {"conflictId": message.conflict_id, "choice": message.choice}

    @signal(InLine)
    def in_line(self, message: InLine) -> None:
        """Record which attempts of a worker wait for resources of its machine."""
        if not self._invalid:
            self._resource_waits.report(message.worker, message.tasks, now(), message.holders)
            self._events.notify()

    @signal(HostAway)
    def host_away(self, message: HostAway) -> None:
        """Record which attempts and steps no worker takes."""
        if not self._invalid:
            self._execution.away_steps = message.steps
            self._host_waits.report("", message.tasks, now(), since=message.since)
            self._host_waits.note_taken(message.tasks, message.lost)
            self._display.show_host(known=message.search_attributes)
            self._events.notify()

    @signal(UrlSilent)
    def url_away(self, message: UrlSilent) -> None:
        """Record that an activity has waited for the git URL."""
        if not self._invalid:
            self._execution.url_away.append((message.since, message.until))

    @signal(SpentSoFar)
    def spent(self, message: SpentSoFar) -> None:
        """Record what attempts under way have spent, for a notice."""
        if not self._invalid:
            self._execution.spent_so_far = (message.cost_usd, message.tokens)
            self._events.notify()

    @query(Nothing)
    def progress(self, message: Nothing) -> dict[str, Any]:
        """Status, counts and every task's status; percentages come from describe."""
        return result.progress(self._opened, self._display.status)

    @query(Page)
    def results(self, message: Page) -> dict[str, Any]:
        """Rows `offset` … `offset + limit` of the results, with everything else of the document."""
        rows = slice(message.offset, message.offset + message.limit)
        found = self.document(now(), rows)
        return {**found, "offset": message.offset, "total": len(self._execution.tasks)}

    @query(Nothing)
    def away(self, message: Nothing) -> dict[str, Any]:
        """Tasks whose attempts, and types of steps, that no worker takes."""
        return {"tasks": self._host_waits.tasks, "steps": self._opened.away_steps}

    @query(Nothing)
    def questions(self, message: Nothing) -> list[dict[str, Any]]:
        """Every question asked so far, answered or not."""
        self._opened  # noqa: B018 (an invalid plan has none)
        return [asked.document() for asked in self._questions]

    @query(Nothing)
    def conflicts(self, message: Nothing) -> list[dict[str, Any]]:
        """Every conflict found so far, without its hunks."""
        return [result.conflict_document(self._opened, conflict) for conflict in self._resolver.conflicts]

    @query(Nothing)
    def graph(self, message: Nothing) -> dict[str, Any]:
        """Nodes, edges and critical path, with each task's status."""
        return result.graph(self._opened)

    def document(self, at: int, rows: slice = slice(None)) -> dict[str, Any]:
        """The result in its short form as of a moment (epoch ms), of the tasks `rows`.

        Needs no Temporal context, so a replay can ask for it.
        """
        self._opened  # noqa: B018 (an invalid plan has no result)
        return self._display.document(at, rows)
