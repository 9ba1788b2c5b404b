"""The one workflow: an execution of a plan, from the snapshot to the delivered branch."""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from workflows import dispatch, report
    from workflows.attempts import Attempts
    from workflows.board import Board
    from workflows.clock import now
    from workflows.compensation import Compensations
    from workflows.ending import ENDINGS
    from workflows.errors import InvalidPlan, InvalidRequest
    from workflows.head import Head
    from workflows.messages import (
        DELIVER,
        PREPARE,
        ROLL_BACK,
        WORKFLOW_TYPE,
        Answer,
        Compensation,
        DeliverRequest,
        Delivery,
        Nothing,
        Page,
        Prepared,
        PrepareRequest,
        RollBackRequest,
        SetMaxAgents,
        read_message,
    )
    from workflows.naming import branch_name
    from workflows.plan import Message
    from workflows.questions import Questions
    from workflows.surface import Surface
    from workflows.validate import read_plan


@workflow.defn(name=WORKFLOW_TYPE)
class ExecuteParallelWorkflow:
    """Input: a plan document (CONTRACT section 2). Result: the document of section 8.

    Ends FAILED with type `InvalidPlan` at once for a plan that cannot run, else as section 4 says.
    """

    @workflow.init
    def __init__(self, request: Any = None) -> None:
        self._invalid = ""
        try:
            board = Board(read_plan(request))
        except InvalidPlan as error:
            self._invalid = str(error)
            return
        self._board = board
        self._id = workflow.info().workflow_id
        self._started = int(workflow.info().start_time.timestamp() * 1000)
        self._status = "running"
        self._message: str | None = None
        self._prepared = Prepared()
        self._delivery: Delivery | None = None
        self._compensations = Compensations()
        self._questions = Questions()
        self._surface = Surface()
        self._head = Head(board, self._compensations, lambda: self._attempts.wake())
        self._attempts = Attempts(board, self._questions, self._head.record)
        self._turn = 0

    @workflow.run
    async def run(self, request: Any = None) -> dict[str, Any]:
        if self._invalid:
            raise ApplicationError(self._invalid, type=InvalidPlan.__name__, non_retryable=True) from None
        try:
            await self._prepare()
            await self._work()
            await self._conclude()
        except (asyncio.CancelledError, ActivityError) as error:
            cancelled = dispatch.is_cancelled(error)
            await self._stop(undo=True)
            await self._roll_back(*(("cancelled", None) if cancelled else ("failed", dispatch.told(error))))
        return self._close()

    # The steps of an execution.

    async def _prepare(self) -> None:
        """Snapshot the workspace; from here on the execution's activities run where it is."""
        try:
            self._prepared = await self._asked_to_prepare()
        except ActivityError as error:
            if dispatch.failure_of(error)[0].type != InvalidPlan.__name__:
                raise
            message = dispatch.told(error)
            raise ApplicationError(message, type=InvalidPlan.__name__, non_retryable=True) from None
        self._surface.enabled = self._prepared.search_attributes
        self._attempts.hub, self._attempts.queue = self._prepared.hub, self._prepared.task_queue
        if self._prepared.hub is not None and self._prepared.base is not None:
            self._head.open(self._prepared.hub, self._prepared.base, self._prepared.task_queue)

    async def _asked_to_prepare(self) -> Prepared:
        plan = self._board.plan
        commands = any(plan.agent_of(task) == "command" for task in plan.tasks)
        request = PrepareRequest(has_workspace=plan.workspace is not None, has_commands=commands)
        if not request.has_workspace:
            # Nothing to wait for: within this workflow task, without a round trip through the server.
            return await dispatch.prepare_locally(request, workflow.info().task_queue)
        prepared: Prepared = await self._step(PREPARE, request, "snapshot the workspace")
        return prepared

    async def _work(self) -> None:
        """Start, settle and land until every task has its terminal status."""
        while not self._board.finished:
            for start in self._board.starts(now()):
                self._attempts.start(start, self._head.commit)
            self._head.land()
            self._show()
            await workflow.wait_condition(lambda: bool(self._attempts.news))
            self._take_news()
            if self._board.stopping:
                await self._stop(undo=self._board.undoes_all)

    async def _stop(self, *, undo: bool) -> None:
        """Cancel what runs, and go on only when nothing of it can write any more.

        What had succeeded before still lands, unless everything will be undone.
        """
        self._board.stopping = True
        self._attempts.cancel_all()
        if undo:
            self._head.cancel_verify()
        await workflow.wait_condition(lambda: not self._attempts.any_running and not self._head.is_landing)
        self._take_news()
        if self._board.to_land and not undo:
            self._head.land()
            await workflow.wait_condition(lambda: not self._head.is_landing)
        self._attempts.close_questions()
        self._board.stop(now())

    async def _conclude(self) -> None:
        """Every task has ended: hand the head over, or undo it (CONTRACT section 4)."""
        board, head = self._board, self._head.commit
        if head is None:
            some = board.counts["succeeded"] and not board.strategy.stops_on_failure
            self._status = "succeeded" if not board.failed else "partial" if some else "failed"
            return
        if board.failed and board.undoes_all:
            await self._roll_back("rolled_back")
            return
        if board.plan.verify and any(state.landed for state in board.tasks.values()):
            red = await self._head.make_green()
            if red is not None:
                await self._roll_back("rolled_back" if board.undoes_all else "failed", f"verify is red: {red}")
                return
        if board.failed and not any(state.landed for state in board.tasks.values()):
            await self._roll_back("failed")
            return
        await self._deliver()
        refused = self._delivery is not None and self._delivery.refused_because is not None
        self._status = "undelivered" if refused else "partial" if board.failed else "succeeded"

    async def _deliver(self) -> None:
        hub, base, head = self._prepared.hub or "", self._prepared.base or "", self._head.commit or ""
        mode = self._board.plan.deliver or "branch"
        if mode == "none":
            self._delivery = Delivery(mode=mode, base=base, head=head)
            return
        branch = branch_name(workflow.info().workflow_id)
        self._compensations.register(Compensation(step="branch", hub=hub, branch=branch, head=head))
        request = DeliverRequest(hub=hub, base=base, head=head, branch=branch)
        self._delivery = await self._step(DELIVER, request, f"deliver {branch}")

    async def _roll_back(self, status: str, message: str | None = None) -> None:
        """Undo every step that was taken, newest first."""
        base, steps = self._prepared.base, self._compensations.reversed()
        self._board.undo_landings()
        self._status, self._message = status, message
        if base is not None:
            self._delivery = Delivery(mode=self._board.plan.deliver or "branch", base=base, head=base)
        try:
            if steps:
                await _uncancelled(self._start(ROLL_BACK, RollBackRequest(steps=steps), "roll back"))
        except ActivityError as error:
            self._status, self._message = "rollback_failed", dispatch.told(error)
            branches = [step.branch for step in steps if step.branch]
            commands = [f"git -C {self._board.plan.workspace} branch -D {branch}" for branch in branches]
            self._delivery = Delivery(mode="branch", base=base, finish_with=commands)

    def _close(self) -> dict[str, Any]:
        """End the workflow as the status says; the document is its result or its failure's detail."""
        self._show(last=True)
        ending, document = ENDINGS[self._status], self.document(now())
        if ending.failure_type is not None:
            message = self._message or self._first_failure()
            raise ApplicationError(message, document, type=ending.failure_type, non_retryable=True)
        if self._status == "cancelled":
            raise asyncio.CancelledError
        return document

    # What callers may say.

    @workflow.update
    def answer(self, request: Any = None) -> dict[str, Any]:
        """Answer an agent's question; the first answer wins."""
        message = read_message(Answer, request)
        asked = self._questions.answerable(message.question_id)
        self._attempts.give_answer(asked, message.text)
        return asked.document()

    @answer.validator
    def _check_answer(self, request: Any = None) -> None:
        self._check_open()
        self._questions.answerable(_checked(Answer, request).question_id)

    @workflow.update
    def pause(self, request: Any = None) -> dict[str, Any]:
        """Start nothing new; what runs goes on to its end."""
        self._board.paused = True
        self._attempts.wake()
        return {"status": self._shown_status}

    @pause.validator
    def _check_pause(self, request: Any = None) -> None:
        self._check_open()
        _checked(Nothing, request)

    @workflow.update
    def resume(self, request: Any = None) -> dict[str, Any]:
        """Start what is ready again."""
        self._board.paused = False
        self._attempts.wake()
        return {"status": self._shown_status}

    @resume.validator
    def _check_resume(self, request: Any = None) -> None:
        self._check_pause(request)

    @workflow.update
    def set_max_agents(self, request: Any = None) -> dict[str, Any]:
        """Change how many tasks run at once; surplus agents leave when their task ends."""
        self._board.set_max_agents(read_message(SetMaxAgents, request).max_agents)
        self._attempts.wake()
        return {"maxAgents": self._board.max_agents}

    @set_max_agents.validator
    def _check_set_max_agents(self, request: Any = None) -> None:
        self._check_open()
        _checked(SetMaxAgents, request)

    @workflow.query
    def progress(self, request: Any = None) -> dict[str, Any]:
        """Status, counts and every task's status; percentages come from describe."""
        return report.progress(self._opened, self._shown_status)

    @workflow.query
    def results(self, request: Any = None) -> dict[str, Any]:
        """Rows `offset` … `offset + limit` of the results, with everything else of the document."""
        page = _checked(Page, request)
        total = len(self._opened.tasks)
        return {**self.document(now()), "results": self.rows(page), "offset": page.offset, "total": total}

    @workflow.query
    def questions(self, request: Any = None) -> list[dict[str, Any]]:
        return [asked.document() for asked in self._questions] if self._opened else []

    @workflow.query
    def conflicts(self, request: Any = None) -> list[dict[str, Any]]:
        return report.conflict_documents(self._opened, self._head.conflicts)

    @workflow.query
    def graph(self, request: Any = None) -> dict[str, Any]:
        return report.graph(self._opened)

    @property
    def _opened(self) -> Board:
        if self._invalid:
            raise InvalidRequest(f"the plan is invalid: {self._invalid}")
        return self._board

    def _check_open(self) -> None:
        if self._status != "running" or self._opened.stopping:
            raise InvalidRequest(f"the execution is ending ({self._shown_status})")

    # What is shown.

    @property
    def _shown_status(self) -> str:
        return "paused" if self._status == "running" and self._board.paused else self._status

    def document(self, at: int) -> dict[str, Any]:
        """The result as of a moment (epoch ms); needs no Temporal context, so a replay can ask for it."""
        return report.document(
            self._opened,
            status=self._shown_status,
            execution_id=self._id,
            conflicts=self._head.conflicts,
            questions=self._questions,
            delivery=self._delivery,
            elapsed_ms=at - self._started,
            message=self._message,
        )

    def rows(self, page: Page) -> list[dict[str, Any]]:
        """Rows of the results; above 500 tasks they stand in no document."""
        states = list(self._opened.tasks.values())[page.offset : page.offset + page.limit]
        return [report.row(state, self._opened) for state in states]

    def _show(self, *, last: bool = False) -> None:
        board, status = self._board, self._shown_status
        board.observe(now(), landing=self._head.is_landing)
        self._surface.show(board, status, last=last)
        self._turn += 1
        # Building the details costs a pass over the tasks: seldom for a large plan.
        if last or self._turn % (1 + len(board.tasks) // 100) == 0 or self._questions.open:
            text = report.details(board, status, self._head.conflicts, self._questions, self._delivery)
            workflow.set_current_details(text)

    def _first_failure(self) -> str:
        for task_id in self._board.with_status("failed", "conflicted"):
            error = self._board.tasks[task_id].error or {}
            return f"{task_id}: {error.get('type')}: {error.get('message')}"
        refused = self._delivery.refused_because if self._delivery else None
        return refused or self._status

    def _take_news(self) -> None:
        while self._attempts.news:
            news, self._attempts.news = self._attempts.news, []
            for settle in news:
                settle()

    async def _step(self, name: str, request: Message | None, summary: str) -> Any:
        result = await self._start(name, request, summary)
        # A step that completes in spite of a cancellation would swallow it.
        if workflow.cancellation_reason() is not None:
            raise asyncio.CancelledError
        return result

    def _start(self, name: str, request: Message | None, summary: str) -> workflow.ActivityHandle[Any]:
        queue = self._prepared.task_queue if name != PREPARE else workflow.info().task_queue
        retry = dispatch.retry_policy(self._board.strategy)
        return dispatch.start(name, request, queue=queue, retry=retry, summary=summary)


async def _uncancelled(handle: workflow.ActivityHandle[Any]) -> Any:
    """The activity's result; a compensation goes on to its end whoever cancels."""
    while True:
        try:
            return await asyncio.shield(handle)
        except asyncio.CancelledError:
            if handle.done():
                raise


def _checked(kind: type[Message], request: Any) -> Any:
    """The message of a caller; raises a readable error, for validators and queries only."""
    try:
        return read_message(kind, request)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        raise InvalidRequest("; ".join(problems)) from None
