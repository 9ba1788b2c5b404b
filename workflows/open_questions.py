"""Open questions of an execution: asked, answered, or expired by a durable timer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from temporalio import workflow

from epw.core import failures
from epw.core.decisions.questions import Asked, Questions
from epw.core.errors import InvalidRequest
from epw.core.execution.state import ExecutionState
from epw.core.messages import Failure, Question
from workflows.clock import now
from workflows.event_queue import EventQueue


class OpenQuestions:
    """Waits for answers as the plan's `onQuestion` says; an expired question is settled through `events`."""

    def __init__(self, execution: ExecutionState, questions: Questions, events: EventQueue) -> None:
        self._execution = execution
        self._questions = questions
        self._events = events
        self._timers: dict[str, asyncio.Task[None]] = {}
        """Timers of questions that expire, by question id."""

    def ask(
        self,
        task_id: str,
        question: Question,
        settle: Callable[[str | None], None] | None = None,
        check: Callable[[str], object] | None = None,
    ) -> Asked:
        """Ask a person.

        A question of an agent has no `settle`: its answer lets the attempt go on. One of the execution itself has:
        `settle` is called with the answer, or with None where none comes, and `check` raises `InvalidRequest` for an
        answer that means nothing.
        """
        asked = self._questions.ask(task_id, question, now())
        asked.settle, asked.check = settle, check
        policy = self._execution.plan.on_question
        if not policy.wait:
            self._expire(asked)
        elif policy.timeout_minutes is not None:
            self._timers[asked.id] = asyncio.create_task(self._time_out(asked, policy.timeout_minutes * 60))
        return asked

    def answer(self, asked: Asked, text: str) -> None:
        """Take the answer of a question, or a correction of one whose attempt has not started."""
        if asked.answer is not None:
            self._execution.tasks[asked.task_id].answer = asked.answer = text
            asked.answered_at = now()
            return
        self.close_with(asked, text)
        if asked.settle is not None:
            asked.settle(text)
        else:
            self._execution.answered(asked.task_id, text, now())
        self._events.notify()

    def close_with(self, asked: Asked, text: str) -> None:
        """Close a question with what is known by now, whoever said it."""
        asked.answer, asked.answered_at, asked.closed = text, now(), True
        if timer := self._timers.pop(asked.id, None):
            timer.cancel()

    def is_correctable(self, asked: Asked) -> bool:
        """Whether the given answer of an agent's question can be replaced: its attempt has not started."""
        given = asked.answer
        return asked.settle is None and given is not None and self._execution.awaits_start(asked.task_id, given)

    def close(self) -> None:
        """Close every question: the execution stops."""
        for asked in self._questions.open:
            asked.closed = True
        for timer in self._timers.values():
            timer.cancel()

    def close_ended(self) -> None:
        """Close the questions of tasks that have ended."""
        for asked in self._questions.open:
            asked.closed = self._execution.tasks[asked.task_id].is_terminal

    def withdraw(self, task_id: str, because: str) -> None:
        """Close the questions of a task, which does not wait for their answers any more."""
        for asked in self._questions.open:
            if asked.task_id == task_id:
                self.close_with(asked, f"withdrawn: {because}")

    async def _time_out(self, asked: Asked, seconds: float) -> None:
        await workflow.sleep(seconds)
        self._events.post(partial(self._expire, asked))

    def _expire(self, asked: Asked) -> None:
        """Stop waiting for an answer: the plan's default answers, else the task fails."""
        default = self._execution.plan.on_question.default
        if asked.closed:
            return
        if default is not None and self._is_answer(asked, default):
            self.answer(asked, default)
            return
        asked.closed = True
        if asked.settle is not None:
            asked.settle(None)
            return
        failure = Failure.of(failures.QUESTION_UNANSWERED, f"nobody answered: {asked.question.text}")
        self._execution.give_up(asked.task_id, "failed", failure, now())

    def _is_answer(self, asked: Asked, text: str) -> bool:
        """Whether the plan's default is of use; an agent takes it though it is none of its options."""
        try:
            if asked.check is not None:
                asked.check(text)
        except InvalidRequest:
            return False
        return True
