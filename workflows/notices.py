"""Notices of an execution, each sent by an activity of its own, which nothing but the end waits for."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

from epw.core.decisions.conflicts import Conflict
from epw.core.decisions.questions import Questions
from epw.core.errors import NOT_RETRIED
from epw.core.execution.exit_status import Conclusion
from epw.core.execution.state import ExecutionState
from epw.core.messages import NOTIFY
from epw.core.naming import slug
from epw.core.notice import Notice, NoticeRequest
from epw.core.plan.outgoing import OF_TERMINAL
from epw.core.report.notice_board import NoticeBoard
from workflows import dispatch
from workflows.clock import now

RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=2,
    maximum_interval=timedelta(seconds=30),
    non_retryable_error_types=NOT_RETRIED,
)
KEEPS_TRYING = timedelta(hours=1)
"""How long one notice is tried."""
LAST_WAIT = timedelta(seconds=100)
"""How long the end of an execution waits at most for notices that are on their way: a receiver may be down a minute."""
_MAX_SENT = 200
"""So many are sent before the last one: each takes events of the history."""


class Notices:
    """Sends what the plan's `notify` asks for; without one it does nothing."""

    def __init__(self, execution: ExecutionState, board: NoticeBoard, conclusion: Conclusion) -> None:
        rules = enumerate(execution.plan.notify)
        self._rules = [(index, rule) for index, rule in rules if rule.channels != [OF_TERMINAL]]
        self._board = board
        self._conclusion = conclusion
        self.queue = workflow.info().task_queue
        self._sent = self._left_out = 0
        self._open: dict[str, asyncio.Task[None]] = {}

    @classmethod
    def of(
        cls, execution: ExecutionState, questions: Questions, conflicts: list[Conflict], conclusion: Conclusion
    ) -> Notices:
        """The notices of this workflow. After a reset they have the ids that they had before it."""
        info = workflow.info()
        key = f"{slug(info.workflow_id)}-{info.first_execution_run_id[:8]}"
        return cls(execution, NoticeBoard(execution, questions, conflicts, info.workflow_id, key), conclusion)

    def show(self) -> None:
        """Send what is new, and do not wait for it."""
        if not self._rules:
            return
        for notice in self._board.news(now()):
            for index, rule in self._rules:
                if notice.event not in rule.on:
                    continue
                if self._sent < _MAX_SENT:
                    self._send(index, notice)
                else:
                    self._left_out += 1

    async def end(self, status: str, why: str) -> None:
        """Send the last ones, and wait for all that are on their way, for a bounded time; a cancellation ends that."""
        if not self._rules:
            return
        self.show()
        notice = self._board.end(now(), status, why, self._conclusion.delivery, self._left_out)
        for index, rule in self._rules:
            if notice.event in rule.on:
                self._send(index, notice)
        if not self._open:
            return
        try:
            await workflow.wait_condition(lambda: not self._open, timeout=LAST_WAIT)
        except (TimeoutError, asyncio.CancelledError):
            workflow.logger.warning("%d notices were not sent when the execution ended", len(self._open))

    def _send(self, index: int, notice: Notice) -> None:
        self._sent += 1
        key = f"{notice.id}-{index}"
        # Each rule's own, so that a receiver of two rules does not take one for the other.
        request = NoticeRequest(rule=index, notice=notice.model_copy(update={"id": key}))
        self._open[key] = asyncio.create_task(self._sending(key, request))

    async def _sending(self, key: str, request: NoticeRequest) -> None:
        summary = f"notice: {request.notice.title}"[:200]
        try:
            await dispatch.start(
                NOTIFY, request, queue=self.queue, retry=RETRY, summary=summary, keeps_trying=KEEPS_TRYING
            )
        except ActivityError as error:
            workflow.logger.warning("a notice was not sent: %s", dispatch.message_of(error))
        finally:
            del self._open[key]
