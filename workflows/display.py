"""Result document, current details and search attributes of an execution, made from its state."""

from __future__ import annotations

from typing import Any

from temporalio import workflow

from epw.core.decisions.questions import Questions
from epw.core.decisions.resolver import Resolver
from epw.core.execution.exit_status import Conclusion
from epw.core.execution.state import ExecutionState
from epw.core.report import result
from epw.core.report.details import details
from epw.core.report.history import within_bounds
from epw.core.report.measured import Metrics
from workflows.clock import now
from workflows.visibility import Visibility

_TASKS_PER_TURN = 100
"""Details cost a pass over all tasks: of 400 tasks they are made every fifth turn."""


class Display:
    """Shows the state of one execution; `landings`: task id and head commit after it, in landing order."""

    def __init__(
        self,
        execution: ExecutionState,
        questions: Questions,
        resolver: Resolver,
        landings: list[tuple[str, str]],
        conclusion: Conclusion,
        visibility: Visibility,
    ) -> None:
        self._execution = execution
        self._questions = questions
        self._resolver = resolver
        self._landings = landings
        self._conclusion = conclusion
        self._visibility = visibility
        self._id = workflow.info().workflow_id
        self.started = int(workflow.info().workflow_start_time.timestamp() * 1000)
        self._shown_at = self.started
        self._turn = self._steered = 0
        self._known: tuple[int, int, Metrics] | None = None
        """Moment and turn of the metrics that were computed last."""

    @property
    def is_running(self) -> bool:
        """Whether the outcome is still open."""
        return self._conclusion.status == "running"

    @property
    def status(self) -> str:
        return "paused" if self.is_running and self._execution.paused else self._conclusion.status

    def document(self, at: int, rows: slice = slice(None)) -> dict[str, Any]:
        """The result in its short form as of a moment (epoch ms), of the tasks `rows`; needs no Temporal context."""
        return result.document(
            self._execution,
            status=self.status,
            execution_id=self._id,
            conflicts=self._resolver.conflicts,
            questions=self._questions,
            delivery=self._conclusion.delivery,
            measured=self._measured(at),
            landing_order=[task_id for task_id, _ in self._landings],
            message=self._conclusion.message,
            lacks=self._conclusion.lacks,
            verified=self._conclusion.verified,
            rows=rows,
        )

    def _measured(self, at: int) -> Metrics:
        """The metrics as of a moment, computed once for all pages of a document."""
        if self._known is None or self._known[:2] != (at, self._turn):
            # A query on a worker that has read a closed execution from its history has no clock.
            elapsed_ms = max(at, self._shown_at) - self.started
            self._known = at, self._turn, result.measured(self._execution, elapsed_ms, self._resolver.conflicts)
        return self._known[2]

    def show(self, *, last: bool = False) -> None:
        """Update what Temporal shows: search attributes, and now and then the details."""
        execution = self._execution
        self._shown_at = now()
        self._visibility.show(execution, self.status, last=last)
        self._turn += 1
        steered = len(execution.steering)
        is_due = self._turn % (1 + len(execution.tasks) // _TASKS_PER_TURN) == 0 or steered != self._steered
        if last or is_due or self._questions.open:
            self._steered = steered
            self.tell()

    def tell(self) -> None:
        """Update the details."""
        text = details(
            self._execution,
            self._id,
            self.status,
            self._resolver.conflicts,
            self._questions,
            self._conclusion.delivery,
        )
        workflow.set_current_details(text)

    def show_host(self, *, known: bool) -> None:
        """Show that a worker is waited for, or no more; `known`: whether the server has the search attributes."""
        self._visibility.enabled |= known
        self.show()

    def why(self) -> str:
        """One sentence on why the execution did not succeed."""
        if self._conclusion.message:
            return self._conclusion.message
        for task_id in self._execution.with_status("failed", "conflicted"):
            error = self._execution.tasks[task_id].error or {}
            return f"{task_id}: {error.get('type')}: {error.get('message')}"
        delivery = self._conclusion.delivery
        return (delivery and delivery.refused_because) or self._conclusion.status

    def final_document(self) -> dict[str, Any]:
        """The document with which the workflow ends, within the bounds of the history."""
        return within_bounds(self.document(now()))
