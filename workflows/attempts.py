"""Running attempts of tasks, each a Temporal activity: their start, their outcome, their cancellation."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio import workflow

from epw.core import failures
from epw.core.decisions import approval
from epw.core.decisions.resolver import Resolver
from epw.core.execution.state import ExecutionState
from epw.core.execution.steered import Steered
from epw.core.execution.task_state import UNREAD, Start
from epw.core.execution.task_steering import TaskSteering
from epw.core.landing import ConflictFound, Landing
from epw.core.messages import Failure, Prepared, Question, TaskOutcome, TaskRun
from epw.core.plan.parts import Budget
from epw.core.queues import attempts_queue, host_of, host_queue
from epw.core.recovery import is_repeated
from epw.core.telling import TELL, TellRequest
from workflows import dispatch
from workflows.budget import ExecutionBudget
from workflows.clock import now
from workflows.event_queue import EventQueue
from workflows.open_questions import OpenQuestions
from workflows.proposals import Proposals

TOLD = "it is handed to its agent"
_PATCH_REPEATED_LIMIT = "repeated-limit-is-final"
_NO_BUDGET = Failure.of(failures.BUDGET_LIMIT, "the budget of the execution is spent")


class Attempts:
    """Runs attempts and applies their outcomes to the execution, through `events`."""

    def __init__(
        self,
        execution: ExecutionState,
        prepared: Prepared,
        open_questions: OpenQuestions,
        events: EventQueue,
        resolver: Resolver,
        budget: ExecutionBudget,
    ) -> None:
        self._execution = execution
        self._prepared = prepared
        self._open_questions = open_questions
        self._events = events
        self._resolver = resolver
        self._budget = budget
        self._proposals = Proposals(execution, open_questions)
        self._running: dict[str, workflow.ActivityHandle[Any]] = {}
        self._budgets: dict[str, Budget] = {}
        """Budget that each running attempt was started with, by task id."""
        self._limits: dict[str, asyncio.Task[None]] = {}
        """Timers of tasks that wait for the end of a usage limit, by task id."""

    @property
    def any_running(self) -> bool:
        return bool(self._running)

    def start(self, start: Start, head: str | None) -> None:
        """Start an attempt; a new one begins from `head`, the present commit."""
        execution, state = self._execution, self._execution.tasks[start.task_id]
        if start.resume is None:
            state.base = head
        previous = state.error if start.attempt > 1 and start.resumes == 0 else None
        backend = execution.plan.backend_of(state.task)
        by_model, spends = backend.driven_by_model, backend.driven_by_model or backend.runs_command
        run = TaskRun(
            task_id=start.task_id,
            attempt=start.attempt,
            agent_id=start.agent_id,
            hub=self._prepared.hub,
            base=state.base,
            round=start.resumes,
            resume=start.resume,
            answer=start.answer,
            model=execution.plan.model_of(state.task) or self._prepared.model if by_model else None,
            budget=execution.budget if spends and execution.budget != execution.plan.constraints.budget else None,
            after=f"{previous['type']}: {previous['message']}" if previous and by_model else None,
            inputs=execution.dependency_results(start.task_id) if by_model else [],
            dispute=state.merge_context,
            reruns=state.conflict_reruns,
            task=state.task.model_dump(by_alias=True, exclude_unset=True) if start.task_id in execution.added else None,
            retries=state.retries,
            messages=[text for text, _ in state.messages],
        )
        self._budgets[start.task_id] = execution.budget
        queue, host = self._prepared.task_queue, self._only_host(start)
        queue = attempts_queue(queue if host is None else host_queue(queue, host), state.task.needs)
        patience = None if host is None else timedelta(seconds=self._prepared.host_patience_seconds)
        of = (self._execution.strategy, queue, state.task.description)
        handle = dispatch.start_task(run, *of, starts_within=patience)
        self._running[start.task_id] = handle
        handle.add_done_callback(partial(self._ended, start))

    def _only_host(self, start: Start) -> str | None:
        """The host that alone has what an attempt goes on from; None: each host that may run it has that."""
        return start.resume.host if start.resume is not None and host_of(self._prepared.task_queue) is None else None

    def _start_elsewhere(self, start: Start) -> None:
        """Start an attempt whose host is away on any host, from the change that was saved: a new conversation."""
        state, saved = self._execution.tasks[start.task_id], start.resume
        asked = state.outcome.question if state.outcome is not None else None
        update = {"host": None, "left": saved and saved.host, "asked": asked and asked.text}
        self._execution.end_host_wait(start.task_id, now())
        self._execution.move(start.task_id, "running", now=now())
        state.resumes, state.taken = state.resumes + 1, None
        moved = replace(start, resumes=state.resumes, resume=saved and saved.model_copy(update=update))
        self.start(moved, state.base)

    def cancel(self, task_id: str) -> None:
        """Ask the task's agent to stop, or stop waiting for the end of its usage limit."""
        if task_id in self._running:
            self._running[task_id].cancel()
        if timer := self._limits.pop(task_id, None):
            timer.cancel()

    def tell(self, task_id: str) -> None:
        """Hand the newest message of a task to its running agent."""
        messages = self._execution.tasks[task_id].messages
        request = TellRequest(task_id=task_id, number=len(messages), text=messages[-1][0])
        retry = dispatch.retry_policy(self._execution.strategy)
        queue = self._prepared.queue_of_steps
        handle = dispatch.start(TELL, request, queue=queue, retry=retry, summary=f"tell {task_id}"[:200])
        handle.add_done_callback(partial(_told, messages[-1][1]))

    def cancel_all(self) -> None:
        """Ask every running agent to stop; its outcome is applied once it has."""
        for handle in list(self._running.values()):
            handle.cancel()

    def close_waits(self) -> None:
        """Stop waiting for the ends of usage limits."""
        for timer in self._limits.values():
            timer.cancel()

    def _ended(self, start: Start, handle: Any) -> None:
        del self._running[start.task_id]
        self._events.post(partial(self._settle, start, handle))

    def _settle(self, start: Start, handle: Any) -> None:
        task_id = start.task_id
        error = asyncio.CancelledError() if handle.cancelled() else handle.exception()
        self._note_taken(task_id, error)
        if self._execution.tasks[task_id].cancelled_by is not None:
            outcome = handle.result() if error is None else dispatch.failure_of(error)[1]
            TaskSteering(self._execution).end_cancelled(task_id, outcome, now())
            self._resolver.cancelled(task_id)
            return
        if task_id in self._execution.restarting and not self._execution.stopping:
            outcome = handle.result() if error is None else dispatch.failure_of(error)[1]
            TaskSteering(self._execution).end_for_restart(task_id, outcome, now())
            return
        if error is None:
            self._succeeded(task_id, handle.result())
            return
        if dispatch.is_unstarted(error) and not self._execution.stopping:
            self._start_elsewhere(start)
            return
        failure, outcome = dispatch.failure_of(error)
        # An agent that was cancelled early had no outcome to report.
        cancelled = dispatch.is_cancelled(error) or failure.type == failures.CANCELLED.type
        if self._execution.out_of_budget and cancelled:
            self._failed(task_id, _NO_BUDGET, outcome)
        # While everything stops, a failure of infrastructure is not counted as the agent's.
        elif cancelled or (self._execution.stopping and outcome is None):
            self._execution.cancelled(task_id, outcome, now())
        else:
            self._failed(task_id, failure, outcome)

    def _note_taken(self, task_id: str, error: BaseException | None) -> None:
        """Note whether a worker has run the attempt that has ended, where Temporal tells."""
        state = self._execution.tasks[task_id]
        if error is None or not dispatch.is_untaken(error):
            state.taken = state.taken or None
        elif not state.taken:
            state.taken = False

    def _failed(self, task_id: str, failure: Failure, outcome: TaskOutcome | None) -> None:
        if outcome is not None and self._repeats_a_limit(task_id, failure) and workflow.patched(_PATCH_REPEATED_LIMIT):
            outcome = outcome.model_copy(update={"final": True})
        self._execution.attempt_failed(task_id, failure, outcome, now(), last_resort=self._resolver.failed)

    def _repeats_a_limit(self, task_id: str, failure: Failure) -> bool:
        """Whether the task has broken the limit that its attempt before broke, and would begin anew."""
        state = self._execution.tasks[task_id]
        goes_on = self._execution.plan.backend_of(state.task).keeps_state
        return not goes_on and is_repeated((state.error or {}).get("type"), failure.type)

    def _succeeded(self, task_id: str, outcome: TaskOutcome) -> None:
        if self._execution.stopping and (outcome.question is not None or outcome.kind == "usage-limit"):
            # The execution waits for nothing any more.
            self._execution.cancelled(task_id, outcome, now())
            return
        if outcome.question is not None:
            self._execution.wait_for("question", task_id, outcome, now())
            self._open_questions.ask(task_id, outcome.question)
            return
        if outcome.kind == "usage-limit":
            self._execution.wait_for("usage-limit", task_id, outcome, now())
            self._limits[task_id] = asyncio.create_task(self._wait_until(task_id, outcome.until or 0))
            return
        if outcome.kind == "budget-limit":
            self._over_budget(task_id, outcome)
            return
        if outcome.undeclared:
            description = f"{task_id} wrote outside its declared files: {', '.join(outcome.undeclared)}"[:500]
            found = ConflictFound(kind="hazard", tasks=[task_id], paths=outcome.undeclared, description=description)
            self._resolver.record(found)
        if outcome.risky:
            self._ask_approval(task_id, outcome, approval.question(task_id, outcome.risky))
            return
        if self._proposals.must_ask(task_id, outcome.proposed):
            self._execution.wait_for("question", task_id, outcome, now())
            self._proposals.ask(task_id, outcome.proposed, partial(self._approved, task_id))
            return
        # Where it ran again and changed nothing, its earlier change may merge by now.
        unchanged = outcome.commit is None and self._resolver.is_open(task_id)
        unchanged = unchanged and workflow.patched("unchanged-reruns")
        self._execution.completed(task_id, outcome, now(), unchanged=unchanged)
        if self._execution.tasks[task_id].is_terminal:
            # It changed nothing, so there is no landing.
            self._resolver.landed(Landing(task_id=task_id, head="", dropped=self._resolver.conflicting_paths(task_id)))

    async def _wait_until(self, task_id: str, until: int) -> None:
        await workflow.sleep(max(0, until - now()) / 1000)
        self._events.post(partial(self._limit_over, task_id))

    def _limit_over(self, task_id: str) -> None:
        self._limits.pop(task_id, None)
        if self._execution.tasks[task_id].waiting_for == "usage-limit":
            self._execution.answered(task_id, None, now())

    def _ask_approval(self, task_id: str, outcome: TaskOutcome, question: Question) -> None:
        """Ask a person whether a change may land; without an approval its task fails."""
        if self._execution.stopping:
            self._execution.cancelled(task_id, outcome, now())
            return

        def settle(answer: str | None) -> None:
            if answer is not None and approval.approved(answer):
                if self._proposals.must_ask(task_id, outcome.proposed):
                    self._execution.waits_for_choice(task_id, now())
                    self._proposals.ask(task_id, outcome.proposed, partial(self._approved, task_id))
                else:
                    self._approved(task_id)
                return
            reason = "nobody has approved" if answer is None else "a person refused"
            failure = Failure.of(failures.NOT_APPROVED, f"{reason}: {question.text}")
            self._execution.give_up(task_id, "failed", failure, now())

        self._execution.wait_for("question", task_id, outcome, now())
        self._open_questions.ask(task_id, question, settle, approval.approved)

    def _approved(self, task_id: str) -> None:
        """Land the finished change: nobody has to be asked any more."""
        self._execution.approved(task_id, now())

    def _over_budget(self, task_id: str, outcome: TaskOutcome) -> None:
        """Handle a task that stopped because the budget is spent; one question is asked for all such tasks."""
        failure = outcome.failure or _NO_BUDGET
        if self._execution.out_of_budget:
            self._failed(task_id, failure, outcome)
        elif self._execution.stopping:
            self._execution.cancelled(task_id, outcome, now())
        elif self._budgets[task_id] != self._execution.budget:
            # A person has changed it since this attempt started.
            self._execution.wait_for("question", task_id, outcome, now())
            self._execution.answered(task_id, None, now())
        else:
            self._execution.wait_for("question", task_id, outcome, now())
            self._budget.stopped(task_id, failure.message)


def _told(entry: Steered, handle: Any) -> None:
    """Note where a message is; a worker that could not take it leaves it to the next attempt."""
    if entry.outcome == TOLD:
        reached = not handle.cancelled() and handle.exception() is None and handle.result()
        entry.outcome = "its agent gets it at its next turn" if reached else UNREAD
