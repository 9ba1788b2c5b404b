"""The one workflow: an execution of a plan, from the snapshot to the delivered branch."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from epw.core.decisions.questions import Questions
    from epw.core.decisions.resolver import Resolver
    from epw.core.errors import InvalidPlan, InvalidRequest
    from epw.core.execution.compensation import Compensations
    from epw.core.execution.outcomes import OUTCOMES
    from epw.core.execution.resource_waits import ResourceWaits
    from epw.core.execution.state import ExecutionState
    from epw.core.messages import PREPARE, WORKFLOW_TYPE, Prepared, PrepareRequest, Redrive
    from epw.core.plan.model import Message
    from epw.core.plan.requests import (
        IN_LINE,
        AnswerQuestion,
        InLine,
        Nothing,
        Page,
        ResolveConflict,
        SetMaxAgents,
        read_message,
    )
    from epw.core.plan.validate import read_plan
    from epw.core.report import result
    from workflows import dispatch
    from workflows.attempts import Attempts
    from workflows.clock import now
    from workflows.event_queue import EventQueue
    from workflows.finisher import Finisher
    from workflows.merge_queue import MergeQueue
    from workflows.visibility import Visibility

_TAKE_OVER_FIRST = "take-over-first"


@workflow.defn(name=WORKFLOW_TYPE)
class ExecuteParallelWorkflow:
    """Input: a plan document (CONTRACT section 2), and from `retry` a `Redrive`. Result: the document of section 8.

    Ends FAILED with type `InvalidPlan` at once for a plan that cannot run, else as section 4 says.
    """

    @workflow.init
    def __init__(self, request: Any = None, redrive: Any = None, *more: Any) -> None:
        self._invalid = ""
        try:
            earlier = None if redrive is None and not more else Redrive.model_validate(redrive)
            execution = ExecutionState(read_plan(request), earlier.commits if earlier else None)
        except ValidationError:
            self._invalid = f"one input is expected, a plan, not {2 + len(more)}"
            return
        except InvalidPlan as error:
            self._invalid = str(error)
            return
        except Exception as error:
            # Whatever a hostile plan brings about: raised here it would be retried for ever.
            self._invalid = f"the plan cannot be read: {type(error).__name__}: {error}"[:1000]
            return
        self._execution = execution
        self._id = workflow.info().workflow_id
        self._started = int(workflow.info().start_time.timestamp() * 1000)
        self._questions = Questions()
        self._visibility = Visibility()
        compensations = Compensations()
        self._events = EventQueue()
        self._resource_waits = ResourceWaits(execution)
        self._resolver = Resolver(execution, now)
        self._merge_queue = MergeQueue(execution, compensations, self._events, self._resolver)
        self._attempts = Attempts(execution, self._questions, self._events, self._resolver)
        self._resolver.ask = self._attempts.ask_person
        self._resolver.patched = workflow.patched
        self._finisher = Finisher(execution, self._merge_queue, compensations)
        self._turn = 0

    @workflow.run
    async def run(self, request: Any = None, redrive: Any = None, *more: Any) -> dict[str, Any]:
        if self._invalid:
            raise ApplicationError(self._invalid, type=InvalidPlan.__name__, non_retryable=True) from None
        try:
            await self._prepare()
            await self._work()
            while not await self._finisher.finish():
                await self._work()
        except (asyncio.CancelledError, ActivityError) as error:
            await self._stop(undo=True)
            await self._finisher.abort(error)
        await self._finisher.tidy(self._attempts.queue)
        return self._close()

    # The steps of an execution.

    async def _prepare(self) -> None:
        """Snapshot the workspace; from here on the execution's activities run where it is."""
        try:
            prepared = await self._prepared()
        except ActivityError as error:
            if dispatch.failure_of(error)[0].type != InvalidPlan.__name__:
                raise
            message = dispatch.told(error)
            raise ApplicationError(message, type=InvalidPlan.__name__, non_retryable=True) from None
        self._visibility.enabled = prepared.search_attributes
        for task_id in prepared.lost:
            self._execution.reused.pop(task_id, None)
        self._execution.takes_over_first = bool(self._execution.reused) and workflow.patched(_TAKE_OVER_FIRST)
        self._attempts.hub, self._attempts.queue = prepared.hub, prepared.task_queue
        self._attempts.model = prepared.model
        if prepared.hub is not None and prepared.base is not None:
            deliver = self._execution.plan.deliver or prepared.deliver or "branch"
            self._merge_queue.open(prepared.hub, prepared.base, prepared.task_queue, deliver)

    async def _prepared(self) -> Prepared:
        plan = self._execution.plan
        commands = bool(plan.relock) or any(plan.agent_of(task) == "command" for task in plan.tasks)
        has_models = plan.has_models
        request = PrepareRequest(
            has_workspace=plan.workspace is not None,
            has_commands=commands,
            has_models=has_models,
            needs_sandbox=plan.demands_bubblewrap or plan.sandbox == "landlock",
        )
        if not request.has_workspace and not has_models and not request.needs_sandbox:
            # Nothing to wait for: within this workflow task, without a round trip through the server.
            return await dispatch.prepare_locally(request, workflow.info().task_queue)
        queue, strategy = workflow.info().task_queue, self._execution.strategy
        prepared: Prepared = await dispatch.step(PREPARE, request, queue, strategy, "snapshot the workspace")
        return prepared

    async def _work(self) -> None:
        """Start, settle and land until every task has its terminal status."""
        while not self._execution.finished:
            for start in self._execution.starts(now()):
                self._attempts.start(start, self._merge_queue.commit)
            self._merge_queue.land()
            self._show()
            await workflow.wait_condition(lambda: bool(self._events))
            self._events.drain()
            if self._execution.stopping:
                await self._stop(undo=self._execution.undoes_all)

    async def _stop(self, *, undo: bool) -> None:
        """Cancel what runs, and go on only when nothing of it can write any more.

        What had succeeded before still lands, unless everything will be undone.
        """
        self._execution.stopping = True
        self._attempts.cancel_all()
        if undo:
            self._merge_queue.abandon()
        await workflow.wait_condition(lambda: not self._attempts.any_running and not self._merge_queue.is_landing)
        self._events.drain()
        while self._execution.to_land and not undo:
            self._merge_queue.land()
            await workflow.wait_condition(lambda: not self._merge_queue.is_landing)
        self._attempts.close_questions()
        self._execution.stop(now())

    def _close(self) -> dict[str, Any]:
        """End the workflow as the status says; the document is its result or its failure's detail."""
        self._resolver.close()
        self._show(last=True)
        outcome, document = OUTCOMES[self._finisher.status], result.for_history(self.document(now()))
        if outcome.failure is not None:
            message = self._finisher.message or self._first_failure()
            raise ApplicationError(message, document, type=outcome.failure.type, non_retryable=True)
        if self._finisher.status == "cancelled":
            raise asyncio.CancelledError
        return document

    # What callers may say.

    @workflow.update
    def answer(self, request: Any = None) -> dict[str, Any]:
        """Answer an agent's question; the first answer wins."""
        message = read_message(AnswerQuestion, request)
        asked = self._questions.answerable(message.question_id)
        self._attempts.give_answer(asked, message.text)
        return asked.document()

    @answer.validator
    def _check_answer(self, request: Any = None) -> None:
        self._check_open()
        message = _checked(AnswerQuestion, request)
        self._attempts.check_answer(self._questions.answerable(message.question_id), message.text)

    @workflow.update
    def resolve_conflict(self, request: Any = None) -> dict[str, Any]:
        """Choose what becomes of a conflict that waits for a person; the first choice wins."""
        message = read_message(ResolveConflict, request)
        asked = self._questions.answerable(self._resolver.waiting(message.conflict_id))
        self._attempts.give_answer(asked, message.choice)
        return {"conflictId": message.conflict_id, "choice": message.choice}

    @resolve_conflict.validator
    def _check_resolve_conflict(self, request: Any = None) -> None:
        self._check_open()
        message = _checked(ResolveConflict, request)
        asked = self._questions.answerable(self._resolver.waiting(message.conflict_id))
        self._attempts.check_answer(asked, message.choice)

    @workflow.update
    def pause(self, request: Any = None) -> dict[str, Any]:
        """Start nothing new; what runs goes on to its end."""
        self._execution.paused = True
        self._events.notify()
        return {"status": self._shown_status}

    @pause.validator
    def _check_pause(self, request: Any = None) -> None:
        self._check_open()
        _checked(Nothing, request)

    @workflow.update
    def resume(self, request: Any = None) -> dict[str, Any]:
        """Start what is ready again."""
        self._execution.paused = False
        self._events.notify()
        return {"status": self._shown_status}

    @resume.validator
    def _check_resume(self, request: Any = None) -> None:
        self._check_pause(request)

    @workflow.update
    def set_max_agents(self, request: Any = None) -> dict[str, Any]:
        """Change how many tasks run at once; surplus agents leave when their task ends."""
        self._execution.set_max_agents(read_message(SetMaxAgents, request).max_agents)
        self._events.notify()
        return {"maxAgents": self._execution.max_agents}

    @set_max_agents.validator
    def _check_set_max_agents(self, request: Any = None) -> None:
        self._check_open()
        _checked(SetMaxAgents, request)

    @workflow.signal(name=IN_LINE)
    def in_line(self, request: Any = None) -> None:
        """A worker says which of its attempts have no room yet; what is no such message says nothing."""
        with contextlib.suppress(ValidationError):
            message = read_message(InLine, request)
            if not self._invalid:
                self._resource_waits.stand_in_line(message.worker, message.tasks, now())
                self._events.notify()

    @workflow.query
    def progress(self, request: Any = None) -> dict[str, Any]:
        """Status, counts and every task's status; percentages come from describe."""
        _checked(Nothing, request)
        return result.progress(self._opened, self._shown_status)

    @workflow.query
    def results(self, request: Any = None) -> dict[str, Any]:
        """Rows `offset` … `offset + limit` of the results, with everything else of the document."""
        page = _checked(Page, request)
        found = self.document(now())
        rows = found["results"][page.offset : page.offset + page.limit]
        return {**found, "results": rows, "offset": page.offset, "total": len(found["results"])}

    @workflow.query
    def questions(self, request: Any = None) -> list[dict[str, Any]]:
        _checked(Nothing, request)
        self._opened  # noqa: B018 (an invalid plan has none)
        return [asked.document() for asked in self._questions]

    @workflow.query
    def conflicts(self, request: Any = None) -> list[dict[str, Any]]:
        _checked(Nothing, request)
        return [result.conflict_document(self._opened, conflict) for conflict in self._resolver.conflicts]

    @workflow.query
    def graph(self, request: Any = None) -> dict[str, Any]:
        _checked(Nothing, request)
        return result.graph(self._opened)

    @property
    def _opened(self) -> ExecutionState:
        if self._invalid:
            raise InvalidRequest(f"the plan is invalid: {self._invalid}")
        return self._execution

    def _check_open(self) -> None:
        if self._opened.stopping or self._finisher.status != "running":
            raise InvalidRequest(f"the execution is ending ({self._shown_status})")

    # What is shown.

    @property
    def _shown_status(self) -> str:
        status = self._finisher.status
        return "paused" if status == "running" and self._execution.paused else status

    def document(self, at: int) -> dict[str, Any]:
        """The result as of a moment (epoch ms); needs no Temporal context, so a replay can ask for it."""
        return result.document(
            self._opened,
            status=self._shown_status,
            execution_id=self._id,
            conflicts=self._resolver.conflicts,
            questions=self._questions,
            delivery=self._finisher.delivery,
            elapsed_ms=at - self._started,
            landing_order=self._merge_queue.order,
            message=self._finisher.message,
        )

    def _show(self, *, last: bool = False) -> None:
        execution, status = self._execution, self._shown_status
        execution.observe(now(), landing=self._merge_queue.is_landing)
        self._visibility.show(execution, status, last=last)
        self._turn += 1
        # Building the details costs a pass over the tasks: seldom for a large plan.
        if last or self._turn % (1 + len(execution.tasks) // 100) == 0 or self._questions.open:
            text = result.details(
                execution, self._id, status, self._resolver.conflicts, self._questions, self._finisher.delivery
            )
            workflow.set_current_details(text)

    def _first_failure(self) -> str:
        for task_id in self._execution.with_status("failed", "conflicted"):
            error = self._execution.tasks[task_id].error or {}
            return f"{task_id}: {error.get('type')}: {error.get('message')}"
        delivery = self._finisher.delivery
        return (delivery and delivery.refused_because) or self._finisher.status


def _checked(kind: type[Message], request: Any) -> Any:
    """The message of a caller; raises a readable error, for validators and queries only."""
    try:
        return read_message(kind, request)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        raise InvalidRequest("; ".join(problems)) from None
