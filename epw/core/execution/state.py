"""The state of an execution: every task's status and what each event makes of it. Pure; times in epoch ms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from epw.core import failures
from epw.core.execution.reuse import is_taking_over
from epw.core.execution.strategy import STRATEGIES
from epw.core.execution.task_state import TERMINAL, Start, Stretches, TaskState
from epw.core.messages import Failure, MergeContext, Produced, TaskOutcome
from epw.core.plan.graph import TaskGraph
from epw.core.plan.model import Plan
from epw.core.schedule.batches import Batches
from epw.core.schedule.list_schedule import Scheduler

_MESSAGE_LIMIT = 1000
_MAX_INPUTS = 10


class ExecutionState:
    """Applies the strategy's record to events; a task is in exactly one status at any time."""

    def __init__(self, plan: Plan, reused: Mapping[str, str | None] | None = None) -> None:
        """`reused`: tasks whose change is taken over from an earlier execution."""
        self.plan = plan
        self.reused = dict(reused or {})
        self.strategy = STRATEGIES[plan.strategy]
        self.graph = TaskGraph.of_plan(plan)
        self.max_agents = self.most_agents = plan.max_agents
        landed = None if plan.workspace is None else False
        self.tasks = {task.id: TaskState(task, landed) for task in plan.tasks}
        self.counts: Counter[str] = Counter({"pending": len(plan.tasks)})
        self.waits: Counter[str] = Counter()
        self.atomic = plan.atomic or self.strategy.atomic
        self.levels = self.graph.level if self.atomic == "batch" else {}
        self.batches = Batches(self.levels if plan.workspace is not None else {})
        self.scheduler = Scheduler(
            self.graph,
            plan.max_agents,
            {task.id: task.priority for task in plan.tasks},
            {task.id: task.files for task in plan.tasks if task.files},
            self.levels,
        )
        self.takes_over_first = False
        """Whether tasks start on what is taken over, not beside it."""
        self.paused = False
        self.is_short = self.out_of_budget = False
        """The budget is spent: a person is asked for more, and nothing starts; or it is spent for good."""
        self.stopping = self.undo_decided = False
        self.to_land: list[str] = []
        self.agents_used: dict[str, None] = {}
        self.peak_concurrency = 0
        self.idle = Stretches()
        for task_id, dependencies in self.graph.dependencies.items():
            if not dependencies:
                self.move(task_id, "ready")

    @property
    def finished(self) -> bool:
        return sum(self.counts[status] for status in TERMINAL) == len(self.tasks)

    @property
    def failed(self) -> bool:
        return bool(self.counts["failed"] or self.counts["conflicted"])

    @property
    def undoes_all(self) -> bool:
        """Whether a failure undoes everything that has landed."""
        return self.undo_decided or self.atomic == "execution"

    def with_status(self, *statuses: str) -> list[str]:
        return [task_id for task_id, state in self.tasks.items() if state.status in statuses]

    @property
    def _holds(self) -> bool:
        """Whether nothing may start now."""
        return self.paused or self.is_short or self.stopping

    @property
    def _is_taking_over(self) -> bool:
        return self.takes_over_first and is_taking_over(self.tasks, self.reused, self.graph)

    def starts(self, now: int) -> Iterator[Start]:
        """Every attempt that can start now, in the order in which it should."""
        later, taking_over = list[str](), self._is_taking_over
        while not self._holds and (start := self.scheduler.next_start()) is not None:
            task_id, agent = start
            state = self.tasks[task_id]
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
            resume, state.saved = state.saved, None
            if not state.goes_on:
                state.attempt, state.round = state.attempt + 1, 0
            state.goes_on = False
            state.agent_id = f"agent-{agent}"
            state.started_at = state.started_at or now
            self.agents_used[state.agent_id] = None
            self.move(task_id, "running", now=now)
            self.peak_concurrency = max(self.peak_concurrency, self.scheduler.running)
            yield Start(task_id, state.agent_id, state.attempt, state.round, resume, state.answer)
        for task_id in later:
            self.scheduler.requeue(task_id)
        if later and not self._is_taking_over:
            yield from self.starts(now)  # No landing wakes them where what was taken over had changed nothing.
        for held in self.scheduler.held:
            if self.tasks[held].status == "ready":
                self.move(held, "waiting", "files", now)

    def produced(self, task_id: str) -> list[Produced]:
        """What came of the dependencies of a task."""
        return [self.tasks[before].produced for before in self.graph.dependencies[task_id][:_MAX_INPUTS]]

    def observe(self, now: int, *, landing: bool = False) -> None:
        """Account for a stretch in which no agent runs because people or usage limits are waited for."""
        people = self.paused or self.waits["question"] > 0 or self.waits["usage-limit"] > 0
        # Ready tasks under a free agent start in this very turn; what is left ready waits for a pause.
        busy = self.scheduler.running or landing or self.to_land or self.finished
        self.idle.note(bool(people and not busy), now)

    def completed(self, task_id: str, outcome: TaskOutcome, now: int, *, unchanged: bool = False) -> None:
        """The agent succeeded; its change still has to land, or its lack of one (`unchanged`: it ran again in vain)."""
        state = self._attempt_ended(task_id, outcome, now)
        state.commit, state.summary, state.error = outcome.commit, outcome.summary, None
        self.land_again(task_id, now) if unchanged else self._done(task_id, now)

    def land_again(self, task_id: str, now: int) -> None:
        """The same change, merged in another way."""
        self.to_land.append(task_id)
        self.move(task_id, "waiting", "landing", now)

    def run_again(self, task_id: str, dispute: MergeContext, now: int, files: Sequence[str] = ()) -> None:
        """The change did not merge: its task gets an agent again, on the head of then; that is no failure of it.

        `files`: it has them to itself meanwhile, else those that run again would only meet each other.
        """
        state = self.tasks[task_id]
        state.dispute, state.saved, state.goes_on = dispute, None, True
        state.round, state.reruns = state.round + 1, state.reruns + 1
        self._requeue(task_id, now, files)

    def waits_for_choice(self, task_id: str, now: int) -> None:
        """Somebody is asked what is to become of a change that did not merge."""
        self.scheduler.release_files(task_id)
        self.move(task_id, "waiting", "question", now)

    def approved(self, task_id: str, now: int) -> None:
        """A person has seen the finished change that waited for it, and lets it land."""
        state = self.tasks[task_id]
        assert state.outcome is not None
        state.commit, state.summary, state.error = state.outcome.commit, state.outcome.summary, None
        self._done(task_id, now)

    def _done(self, task_id: str, now: int) -> None:
        """The task's work is there; its change, if there is one, still has to land."""
        if self.batches:
            self.move(task_id, "waiting", "landing", now)
            self.batches.complete(task_id)
            self._settled(task_id, now)
        elif self.tasks[task_id].commit is None or self.plan.workspace is None:
            self.landed(task_id, now)
        else:
            self.land_again(task_id, now)

    def reopen(self, task_id: str, now: int) -> None:
        """A landed task turned out to break the head: its change is out of it, and it may run again."""
        state = self.tasks[task_id]
        state.landed, state.finished_at = False, None
        self.move(task_id, "waiting", "landing", now)

    def run_after_all(self, task_id: str, now: int) -> None:
        """A change that was taken over does not fit any more: the task gets its agent."""
        del self.reused[task_id]
        self.tasks[task_id].commit = None
        self._requeue(task_id, now)

    def _requeue(self, task_id: str, now: int, files: Sequence[str] = ()) -> None:
        self.scheduler.release_files(task_id)
        self.move(task_id, "ready", now=now)
        self.scheduler.requeue(task_id, files)

    def landed(self, task_id: str, now: int) -> None:
        """The task's change is in the head: its dependants may start."""
        state = self.tasks[task_id]
        if state.landed is not None:
            state.landed = True
        self._finish(task_id, "succeeded", now)
        for ready in self.scheduler.landed(task_id):
            if self.tasks[ready].status == "pending":
                self.move(ready, "ready", now=now)

    def wait_for(self, what: str, task_id: str, outcome: TaskOutcome, now: int) -> None:
        """The agent needs an answer, or its account may not be used for a while: it holds neither slot nor files."""
        state = self._attempt_ended(task_id, outcome, now)
        state.saved, state.goes_on = outcome.saved, True
        self.scheduler.release_files(task_id)
        self.move(task_id, "waiting", what, now)

    def answered(self, task_id: str, answer: str | None, now: int) -> None:
        """What the attempt waited for is there: it goes on as soon as an agent is free."""
        state = self.tasks[task_id]
        state.answer, state.round = answer, state.round + 1
        self._requeue(task_id, now)

    def attempt_failed(
        self,
        task_id: str,
        failure: Failure,
        outcome: TaskOutcome | None,
        now: int,
        *,
        last_resort: Callable[[str], bool] = lambda task_id: False,
    ) -> None:
        """The attempt failed: start another one, or give the task up. No outcome: infrastructure failed.

        `last_resort` is asked before the task is given up; true: it has found another way for the task.
        """
        state = self._attempt_ended(task_id, outcome, now)
        state.commit = outcome.commit if outcome else state.commit
        self._blame(state, failure)
        more = state.attempt < self.strategy.attempts and not self.out_of_budget
        again = outcome is not None and not outcome.final and more
        if outcome is not None and again and not self.stopping:
            state.saved = outcome.saved
            self._requeue(task_id, now)
        elif not last_resort(task_id):
            self.give_up(task_id, "failed", failure, now)

    def give_up(self, task_id: str, status: str, failure: Failure, now: int) -> None:
        """The task is failed or conflicted for good: its descendants are skipped, or everything stops."""
        self._blame(self.tasks[task_id], failure)
        self.scheduler.abandon(task_id)
        self._finish(task_id, status, now)
        for after in self.graph.descendants([task_id]):
            if not self.tasks[after].is_terminal:
                because = f"depends on {task_id}, which is {status}"
                self.skip(after, because, now)
        if self.strategy.stops_on_failure:
            self.stopping = True

    def cancelled(self, task_id: str, outcome: TaskOutcome | None, now: int) -> None:
        state = self.tasks[task_id]
        if self.scheduler.agent_of(task_id) is not None:
            self._attempt_ended(task_id, outcome, now)
        self._blame(state, Failure.of(failures.CANCELLED, "stopped before it was done"))
        self.scheduler.abandon(task_id)
        self._finish(task_id, "cancelled", now)

    def stop(self, now: int) -> None:
        """Nothing starts any more: what waits for an answer is cancelled, what never ran is skipped."""
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

    def undo_landings(self, tasks: list[str] | None = None) -> None:
        """The named tasks' changes (default: all) are out of the head again."""
        for task_id in tasks if tasks is not None else list(self.tasks):
            if self.tasks[task_id].landed:
                self.tasks[task_id].landed = False

    def undo_culprit(self, culprit: str, failure: Failure, now: int) -> None:
        """A landed task turned out to break the head: it is conflicted, its descendants are undone."""
        batch = self.batches.beside(culprit)
        undone = [each for each in self.graph.descendants(batch or [culprit]) if self.tasks[each].landed]
        self._blame(self.tasks[culprit], failure)
        self._finish(culprit, "conflicted", now)
        for task_id in undone:
            self.skip(task_id, f"undone: depends on {culprit}, which is conflicted", now)
        self.undo_landings([culprit, *batch, *undone])

    def undo_batch(self, level: int, now: int) -> None:
        """A batch lands whole or not: none of it is in the head, and nothing that depends on it can start."""
        self.batches.broken = None
        members = self.batches.members(level)
        self.to_land = [task_id for task_id in self.to_land if task_id not in members]
        self.undo_landings(members)
        for task_id in members:
            if self.tasks[task_id].status == "waiting":
                self._finish(task_id, "succeeded", now)
        for after in self.graph.descendants(members):
            if not self.tasks[after].is_terminal:
                self.skip(after, "depends on a batch that did not land", now)

    def set_max_agents(self, agents: int) -> None:
        self.max_agents = agents
        self.most_agents = max(self.most_agents, agents)
        self.scheduler.set_max_agents(agents)

    def _attempt_ended(self, task_id: str, outcome: TaskOutcome | None, now: int) -> TaskState:
        state = self.tasks[task_id]
        self.scheduler.release_agent(task_id)
        state.answer = None
        if outcome is not None:
            state.ended_with(outcome)
        state.duration_ms += outcome.duration_ms if outcome else max(0, now - state.since)
        return state

    def _finish(self, task_id: str, status: str, now: int) -> None:
        self.scheduler.release_files(task_id)
        state = self.tasks[task_id]
        state.finished_at = state.finished_at or now
        was_landing = state.waiting_for == "landing"
        was_settled = state.is_terminal or was_landing
        self.move(task_id, status, now=now)
        self.scheduler.close(task_id)
        if self.batches and not was_settled:
            self._settled(task_id, now)
        elif self.batches and was_landing and status == "conflicted":
            self.batches.broken = self.batches.level_of(task_id)

    def _settled(self, task_id: str, now: int) -> None:
        """With its last task a batch is decided: everything of it lands, or nothing."""
        complete = self.batches.settle(task_id)
        if complete is None:
            return
        statuses = {self.tasks[each].status for each in self.batches.beside(task_id)}
        if statuses & {"failed", "conflicted", "cancelled"}:
            self.undo_batch(self.batches.level_of(task_id), now)
            return
        for each in complete:
            if self.tasks[each].commit is None:
                self.landed(each, now)
            else:
                self.to_land.append(each)

    def skip(self, task_id: str, because: str, now: int) -> None:
        self.scheduler.abandon(task_id)
        self._blame(self.tasks[task_id], Failure.of(failures.SKIPPED, because))
        self._finish(task_id, "skipped", now)

    def _blame(self, state: TaskState, failure: Failure) -> None:
        state.error = {"type": failure.type, "message": failure.message[:_MESSAGE_LIMIT], "attempt": state.attempt}

    def move(self, task_id: str, status: str, waiting_for: str | None = None, now: int = 0) -> None:
        state = self.tasks[task_id]
        if state.waiting_for is not None:
            self.waits[state.waiting_for] -= 1
        state.has_waited(now)
        if waiting_for is not None:
            self.waits[waiting_for] += 1
        self.counts[state.status] -= 1
        self.counts[status] += 1
        state.status, state.waiting_for, state.since = status, waiting_for, now
