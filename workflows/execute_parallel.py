"""The workflow that runs a plan, from the snapshot of its workspace to the delivered branch."""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from epw.core.decisions.questions import Questions
    from epw.core.decisions.resolver import Resolver
    from epw.core.errors import InvalidPlan
    from epw.core.execution.compensation import Compensations
    from epw.core.execution.exit_status import OUTCOMES, UNPREPARED, Conclusion
    from epw.core.execution.reported_waits import HOST, RESOURCES, ReportedWaits
    from epw.core.execution.state import ExecutionState
    from epw.core.execution.task_state import NO_WORKER_MS
    from epw.core.messages import WORKFLOW_TYPE, Prepared
    from epw.core.plan.validate import read_plan
    from epw.core.queues import host_of
    from epw.core.redrive import Redrive
    from workflows import dispatch
    from workflows.attempts import Attempts
    from workflows.budget import ExecutionBudget
    from workflows.clock import now
    from workflows.display import Display
    from workflows.event_queue import EventQueue
    from workflows.finisher import Finisher
    from workflows.head_checks import HeadChecks
    from workflows.merge_queue import MergeQueue
    from workflows.notices import Notices
    from workflows.open_questions import OpenQuestions
    from workflows.preparation import prepare
    from workflows.retries import Retries
    from workflows.steering import SteeringHandlers
    from workflows.visibility import Visibility

_TAKE_OVER_FIRST = "take-over-first"


@workflow.defn(name=WORKFLOW_TYPE)
class ExecuteParallelWorkflow(SteeringHandlers):
    """Input: a plan document, and from the command `retry` a `Redrive`. Result: the result document.

    A plan that cannot run fails the workflow at once, type `InvalidPlan`; any input is accepted, so that this is said
    whichever client started it. Other failures: `epw.core.execution.exit_status`.
    """

    @workflow.init
    def __init__(self, request: Any = None, redrive: Any = None, *more: Any) -> None:
        self._invalid = ""
        try:
            self._earlier = earlier = None if redrive is None and not more else Redrive.model_validate(redrive)
            # What the plan's analysis imports when first used is the same outside of a workflow sandbox as in it.
            with workflow.unsafe.imports_passed_through():
                execution = ExecutionState(read_plan(request), earlier.commits if earlier else None)
        except ValidationError:
            self._invalid = f"one input is expected, a plan, not {2 + len(more)}"
            return
        except InvalidPlan as error:
            self._invalid = str(error)
            return
        except Exception as error:
            # Whatever a hostile plan causes: raised here, it would be retried for ever.
            self._invalid = f"the plan cannot be read: {type(error).__name__}: {error}"[:1000]
            return
        self._execution = execution
        self._events = EventQueue()
        self._questions = Questions()
        self._open_questions = OpenQuestions(execution, self._questions, self._events)
        self._resolver = Resolver(execution, now, self._open_questions.ask, workflow.patched)
        self._budget = ExecutionBudget(execution, self._open_questions)
        self._resource_waits = ReportedWaits(execution, RESOURCES)
        self._host_waits = ReportedWaits(execution, HOST)
        self._landings: list[tuple[str, str]] = []
        self._conclusion, self._visibility = Conclusion(), Visibility()
        self._display = Display(
            execution, self._questions, self._resolver, self._landings, self._conclusion, self._visibility
        )
        self._notices = Notices.of(execution, self._questions, self._resolver.conflicts, self._conclusion)

    @workflow.run
    async def run(self, request: Any = None, redrive: Any = None, *more: Any) -> dict[str, Any]:
        """Prepare, work until every task has ended, finish, clean up."""
        if self._invalid:
            raise ApplicationError(self._invalid, type=InvalidPlan.__name__, non_retryable=True) from None
        taken = now()
        try:
            prepared = await prepare(self._execution)
        except (asyncio.CancelledError, ActivityError) as error:
            self._had_no_worker_until(taken)
            return await self._end_before_start(error)
        self._had_no_worker_until(prepared.worker_since or taken)
        self._set_up(prepared)
        try:
            if self._earlier is not None and self._earlier.order:
                await self._merge_queue.land_alone(self._earlier.order)
            await self._work()
            while not await self._finisher.finish():
                await self._work()
        except (asyncio.CancelledError, ActivityError) as error:
            await self._stop(undo=True)
            await self._finisher.abort(error)
        await self._finisher.tidy()
        return await self._close()

    def _had_no_worker_until(self, moment: int) -> None:
        """Note that no worker was there from the start on; the start-up of one is no such time."""
        if moment - self._display.started >= NO_WORKER_MS:
            self._execution.away.append((self._display.started, moment))

    def _set_up(self, prepared: Prepared) -> None:
        """Build the parts that need to know the prepared workspace."""
        execution, compensations = self._execution, Compensations()
        self._visibility.enabled = prepared.search_attributes
        execution.host = host_of(prepared.task_queue)
        self._notices.queue = prepared.queue_of_steps
        for task_id in prepared.lost:
            execution.reused.pop(task_id, None)
        execution.takes_over_first = bool(execution.reused) and workflow.patched(_TAKE_OVER_FIRST)
        self._attempts = Attempts(execution, prepared, self._open_questions, self._events, self._resolver, self._budget)
        self._merge_queue = MergeQueue(execution, prepared, compensations, self._events, self._resolver, self._landings)
        self._retries = Retries(
            execution,
            self._attempts,
            self._merge_queue,
            self._resolver,
            self._open_questions,
            self._budget,
        )
        head_checks = HeadChecks(execution, self._merge_queue, self._resolver)
        self._finisher = Finisher(execution, self._merge_queue, head_checks, compensations, self._conclusion)

    async def _work(self) -> None:
        """Start attempts, settle what has happened and land changes until every task has ended."""
        while not self._execution.finished:
            self._retries.proceed()
            for start in self._execution.starts(now()):
                self._attempts.start(start, self._merge_queue.commit)
            self._merge_queue.land()
            self._execution.observe(now(), landing=self._merge_queue.is_landing)
            self._display.show()
            self._notices.show()
            await workflow.wait_condition(lambda: bool(self._events))
            self._events.drain()
            if self._execution.stopping:
                await self._stop(undo=self._execution.undoes_all)
        self._display.tell()

    async def _stop(self, *, undo: bool) -> None:
        """Cancel running attempts, and return only when none of them can write any more.

        What had succeeded before still lands, unless everything will be undone.
        """
        self._execution.stopping = True
        self._display.tell()
        self._attempts.cancel_all()
        if undo:
            self._merge_queue.abandon()
        await workflow.wait_condition(lambda: not self._attempts.any_running and not self._merge_queue.is_landing)
        self._events.drain()
        while self._execution.to_land and not undo:
            self._merge_queue.land()
            await workflow.wait_condition(lambda: not self._merge_queue.is_landing)
        self._open_questions.close()
        self._attempts.close_waits()
        self._execution.stop(now())

    async def _end_before_start(self, error: asyncio.CancelledError | ActivityError) -> dict[str, Any]:
        """End an execution that could not be prepared: there is nothing to stop and nothing to undo."""
        self._execution.stop(now())
        if dispatch.is_cancelled(error):
            self._conclusion.status = "cancelled"
        else:
            failure, _ = dispatch.failure_of(error)
            self._conclusion.status, self._conclusion.message = "failed", failure.message
            self._conclusion.lacks = failure.type in UNPREPARED
        return await self._close()

    async def _close(self) -> dict[str, Any]:
        """End the workflow as the status says; the document is its result or its failure's detail."""
        self._resolver.close()
        self._execution.observe(now())
        self._display.show(last=True)
        outcome, document = OUTCOMES[self._conclusion.status], self._display.final_document()
        await self._notices.end(outcome.status, self._display.why() if outcome.failure is not None else "")
        if outcome.failure is not None:
            raise ApplicationError(self._display.why(), document, type=outcome.failure.type, non_retryable=True)
        if self._conclusion.status == "cancelled":
            raise asyncio.CancelledError
        return document
