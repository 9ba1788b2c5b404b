"""State of an execution: the status of every task, changed by events. Times in epoch milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from epw.core import failures
from epw.core.execution.attempt_times import AttemptTimes
from epw.core.execution.followers import followers
from epw.core.execution.reuse import is_taking_over
from epw.core.execution.steered import Steered
from epw.core.execution.task_state import Start, Stopwatch, TaskState
from epw.core.messages import Failure, MergeContext, Produced, TaskOutcome
from epw.core.plan.model import Plan
from epw.core.plan.parts import Budget

_MAX_DEPENDENCY_RESULTS = 10


class ExecutionState(AttemptTimes):
    """Applies the strategy's record to events of attempts, landings and people."""

    def __init__(self, plan: Plan, reused: Mapping[str, str | None] | None = None) -> None:
        """`reused`: commits of the tasks that are taken over from an earlier execution; None: it changed nothing."""
        super().__init__(plan)
        self.reused = dict(reused or {})
        self.max_agents = self.max_agents_so_far = plan.max_agents
        self.takes_over_first = False
        """Whether tasks start only after the changes that are taken over have landed."""
        self.paused = False
        self.awaits_budget = False
        """Whether a person is asked for a higher budget; nothing starts meanwhile."""
        self.out_of_budget = False
        """Whether the budget is spent for good."""
        self.budget = plan.constraints.budget or Budget()
        """Present budget; a person can change the plan's."""
        self.spent_so_far = (0.0, 0)
        """Dollars and tokens that a worker has told of, attempts under way included."""
        self.stopping = False
        self.finishing = False
        """Whether every task has ended, and the head is verified and delivered."""
        self.undo_decided = False
        """Whether a person or the plan has chosen to undo everything."""
        self.most_started = 0
        """The most tasks that held an agent at once, waiting for their worker included."""
        self.idle = Stopwatch()
        """Time in which no agent ran because people or usage limits were waited for."""
        self.held_up = Stopwatch()
        """Time in which nothing could start, because a person has paused or is asked for a higher budget."""
        self.retrying: dict[str, Steered | None] = {}
        """Tasks that run again as soon as nothing of them and of what follows is under way, with who wants it."""
        self.steering: list[Steered] = []
        """What people have changed, in order."""
        self.host: str | None = None
        """The host that its activities are bound to."""
        self.away_steps: list[str] = []
        """Types of activities, attempts aside, that no worker takes."""
        self.began: int | None = None
        """Time at which tasks could start."""
        for task_id, dependencies in self.graph.dependencies.items():
            if not dependencies:
                self.move(task_id, "ready")

    def take_over(self, order: Sequence[str], now: int) -> None:
        """End every task at once with the change that it is taken over with; one whose change is gone is skipped."""
        self.began = now
        for task_id in order:
            if task_id in self.reused:
                self.tasks[task_id].commit = self.reused[task_id]
                self.landed(task_id, now)
        for task_id, state in self.tasks.items():
            if not state.is_terminal:
                self.skip(task_id, "its change is not in the hub any more", now)

    @property
    def undoes_all(self) -> bool:
        """Whether a failure undoes everything that has landed."""
        return self.undo_decided or self.atomic == "execution"

    @property
    def _holds(self) -> bool:
        """Whether nothing may start now."""
        return self.paused or self.awaits_budget or self.stopping

    @property
    def restarting(self) -> dict[str, None]:
        """Tasks that are about to run again: what people retry, and what follows."""
        return followers(self.graph, self.tasks, self.retrying)

    @property
    def _is_taking_over(self) -> bool:
        return self.takes_over_first and is_taking_over(self.tasks, self.reused, self.graph)

    def starts(self, now: int) -> Iterator[Start]:
        """Start every attempt that can start now, in order of priority."""
        if self.began is None:
            self.began = now
        later, taking_over, restarting = list[str](), self._is_taking_over, self.restarting
        while not self._holds and (start := self.scheduler.next_start()) is not None:
            task_id, agent = start
            state = self.tasks[task_id]
            if task_id in restarting:
                self.scheduler.release_agent(task_id)
                self.scheduler.release_files(task_id)
                continue
            if task_id in self.reused:
                self.scheduler.release_agent(task_id)
                state.commit = self.reused[task_id]
                self._done(task_id, now)
                continue
            if taking_over:
                self.scheduler.release_agent(task_id)
                self.scheduler.release_files(task_id)
                later.append(task_id)
                continue
            yield self._start(state, f"agent-{agent}", now)
        for task_id in later:
            self.scheduler.requeue(task_id)
        if later and not self._is_taking_over:
            # What was taken over had changed nothing: no landing will cause another turn.
            yield from self.starts(now)
        for held in self.scheduler.newly_held():
            if self.tasks[held].status == "ready":
                self.move(held, "waiting", "files", now)

    def _start(self, state: TaskState, agent_id: str, now: int) -> Start:
        resume, state.saved = state.saved, None
        if not state.continues:
            state.attempt, state.resumes = state.attempt + 1, 0
        state.continues = False
        state.agent_id, state.taken = agent_id, None
        state.started_at = state.started_at or now
        self.agents_used[agent_id] += 1
        self.move(state.task.id, "running", now=now)
        self.most_started = max(self.most_started, self.scheduler.running)
        return Start(state.task.id, agent_id, state.attempt, state.resumes, resume, state.answer)

    def dependency_results(self, task_id: str) -> list[Produced]:
        """Results of the first few tasks that a task depends on."""
        return [self.tasks[before].produced for before in self.graph.dependencies[task_id][:_MAX_DEPENDENCY_RESULTS]]

    def observe(self, now: int, *, landing: bool = False) -> None:
        """Account for time in which no agent runs because people or usage limits are waited for."""
        people = self.paused or self.waits["question"] > 0 or self.waits["usage-limit"] > 0
        # A ready task with a free agent starts in this turn; what stays ready is held by a pause.
        busy = self.scheduler.running or landing or self.to_land or self.finished
        self.idle.note(bool(people and not busy), now)
        self.held_up.note(self.paused or self.awaits_budget, now)

    def completed(self, task_id: str, outcome: TaskOutcome, now: int, *, unchanged: bool = False) -> None:
        """Record a successful attempt, whose change still has to land.

        `unchanged`: it ran again because of a conflict and changed nothing, so its earlier change is merged again.
        """
        state = self.end_attempt(task_id, outcome, now)
        state.commit, state.summary, state.error = outcome.commit, outcome.summary, None
        self.land_again(task_id, now) if unchanged else self._done(task_id, now)

    def run_again(self, task_id: str, merge_context: MergeContext, now: int, files: Sequence[str] = ()) -> None:
        """Run the task again, on the newest head, because its change did not merge; that is not a failed attempt.

        `files`: globs that no other task may hold meanwhile; else tasks that run again would only conflict again.
        """
        state = self.tasks[task_id]
        state.merge_context, state.saved, state.continues = merge_context, None, True
        state.resumes, state.conflict_reruns = state.resumes + 1, state.conflict_reruns + 1
        self._requeue(task_id, now, files)

    def waits_for_choice(self, task_id: str, now: int) -> None:
        """Wait until a person has chosen how to resolve the conflict of the task's change."""
        self.scheduler.release_files(task_id)
        self.move(task_id, "waiting", "question", now)

    def approved(self, task_id: str, now: int) -> None:
        """Land the finished change, which a person has approved."""
        state = self.tasks[task_id]
        assert state.outcome is not None
        state.commit, state.summary, state.error = state.outcome.commit, state.outcome.summary, None
        self._done(task_id, now)

    def run_reused(self, task_id: str, now: int) -> None:
        """Run the task: the change that was taken over does not merge any more."""
        del self.reused[task_id]
        self.tasks[task_id].commit = None
        self._requeue(task_id, now)

    def _requeue(self, task_id: str, now: int, files: Sequence[str] = ()) -> None:
        self.scheduler.release_files(task_id)
        self.move(task_id, "ready", now=now)
        self.scheduler.requeue(task_id, files)

    def wait_for(self, what: str, task_id: str, outcome: TaskOutcome, now: int) -> None:
        """End the attempt with a question or at a usage limit: it holds neither agent nor files while it waits."""
        state = self.end_attempt(task_id, outcome, now)
        state.saved, state.continues = outcome.saved, True
        self.scheduler.release_files(task_id)
        self.move(task_id, "waiting", what, now)

    def answered(self, task_id: str, answer: str | None, now: int) -> None:
        """End the wait of an attempt: it continues as soon as an agent is free."""
        state = self.tasks[task_id]
        state.answer, state.resumes = answer, state.resumes + 1
        self._requeue(task_id, now)

    def awaits_start(self, task_id: str, answer: str) -> bool:
        """Whether the attempt that gets this answer has not started yet."""
        state = self.tasks[task_id]
        return state.continues and state.answer == answer and (state.status == "ready" or state.waiting_for == "files")

    def attempt_failed(
        self,
        task_id: str,
        failure: Failure,
        outcome: TaskOutcome | None,
        now: int,
        *,
        last_resort: Callable[[str], bool] = lambda task_id: False,
    ) -> None:
        """Record a failed attempt, then queue another one or give the task up. No outcome: infrastructure failed.

        `last_resort` is asked before the task is given up; true: it has found another way for the task.
        """
        state = self.end_attempt(task_id, outcome, now)
        state.commit = outcome.commit if outcome else state.commit
        self.set_error(task_id, failure)
        more = state.attempt - state.earlier_attempts < self.strategy.attempts and not self.out_of_budget
        again = outcome is not None and not outcome.final and more
        if outcome is not None and again and not self.stopping:
            state.saved = outcome.saved
            self._requeue(task_id, now)
        elif not last_resort(task_id):
            self.give_up(task_id, "failed", failure, now)

    def give_up(self, task_id: str, status: str, failure: Failure, now: int, *, is_wish: bool = False) -> None:
        """End the task as failed or conflicted, and skip its descendants or stop everything.

        `is_wish`: a person wants it so, which is no failure of the execution.
        """
        self.set_error(task_id, failure)
        self.scheduler.abandon(task_id)
        self._finish(task_id, status, now)
        self.skip_descendants(task_id, now)
        if is_wish:
            self.left_out[task_id] = None
        elif self.strategy.stops_on_failure:
            self.stopping = True

    def cancelled(
        self, task_id: str, outcome: TaskOutcome | None, now: int, because: str = "stopped before it was done"
    ) -> None:
        """End a task that was stopped before it was done."""
        if self.scheduler.agent_of(task_id) is not None:
            self.end_attempt(task_id, outcome, now, has_worked=bool(outcome and outcome.started_at))
        self.set_error(task_id, Failure.of(failures.CANCELLED, because))
        self.scheduler.abandon(task_id)
        self._finish(task_id, "cancelled", now)

    def stop(self, now: int) -> None:
        """Start nothing more: cancel tasks that wait in an attempt, skip those that have not started."""
        self.stopping = True
        for task_id, state in self.tasks.items():
            if state.status == "waiting" and state.waiting_for == "landing":
                self._finish(task_id, "succeeded", now)
            elif state.status in ("pending", "ready", "waiting"):
                if state.attempt:
                    self.cancelled(task_id, None, now)
                else:
                    self.skip(task_id, "the execution stopped before it could start", now)
        self.to_land.clear()
        self.retrying.clear()

    def set_max_agents(self, agents: int) -> None:
        """Change how many tasks run at once."""
        self.max_agents = agents
        self.max_agents_so_far = max(self.max_agents_so_far, agents)
        self.scheduler.set_max_agents(agents)
