"""Landing of tasks' changes: what is ready to land, what is in the head, what is undone."""

from __future__ import annotations

from collections.abc import Sequence

from epw.core import failures
from epw.core.execution.strategy import STRATEGIES
from epw.core.execution.task_table import TaskTable
from epw.core.messages import Failure
from epw.core.plan.graph import TaskGraph
from epw.core.plan.model import Plan, Task
from epw.core.schedule.batches import Batches
from epw.core.schedule.scheduler import Scheduler, barriers


class LandingState(TaskTable):
    """Tasks with their graph, schedule and batches. Times in epoch milliseconds."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.plan = plan
        self.strategy = STRATEGIES[plan.strategy]
        self.atomic = plan.atomic or self.strategy.atomic
        self.graph = TaskGraph.of_plan(plan)
        self.levels = barriers(plan, self.graph)
        """Level of each task, where a level starts only after the one before it; else empty."""
        self.batches = Batches(self.levels if plan.workspace is not None else {})
        self.scheduler = Scheduler.of_plan(plan, self.graph)
        self.added: list[str] = []
        """Tasks that have joined since its start."""
        self.to_land: list[str] = []
        """Tasks whose changes are ready to land, in order."""

    def add(self, tasks: Sequence[Task], now: int) -> None:
        """Add tasks, behind those that there are; without batches."""
        self.plan = self.plan.model_copy(update={"tasks": [*self.plan.tasks, *tasks]})
        self.graph = TaskGraph.of_plan(self.plan)
        self.append(tasks, None if self.plan.workspace is None else False, now)
        self.added += [task.id for task in tasks]
        for ready in self.scheduler.add(self.graph, tasks):
            self.move(ready, "ready", now=now)

    def _done(self, task_id: str, now: int) -> None:
        """Finish the agent's part of a task: land its change, if there is one."""
        if self.batches:
            # Not when it has landed: others of the batch, which lands as a whole, may wait for its files.
            self.scheduler.release_files(task_id)
            self.move(task_id, "waiting", "landing", now)
            self.batches.complete(task_id)
            self._settled(task_id, now)
        elif self.tasks[task_id].commit is None or self.plan.workspace is None:
            self.landed(task_id, now)
        else:
            self.land_again(task_id, now)

    def land_again(self, task_id: str, now: int) -> None:
        """Queue the task's change for landing."""
        self.to_land.append(task_id)
        self.move(task_id, "waiting", "landing", now)

    def landed(self, task_id: str, now: int) -> None:
        """Record that the task's change is in the head: the tasks that depend on it may start."""
        state = self.tasks[task_id]
        if state.landed is not None:
            state.landed = True
        self._finish(task_id, "succeeded", now)
        for ready in self.scheduler.landed(task_id):
            if self.tasks[ready].status == "pending":
                self.move(ready, "ready", now=now)

    def reopen(self, task_id: str, now: int) -> None:
        """Open a task again whose landed change made `verify` fail and is out of the head now."""
        state = self.tasks[task_id]
        state.landed, state.finished_at = False, None
        self.move(task_id, "waiting", "landing", now)

    def skip(self, task_id: str, because: str, now: int) -> None:
        """End a task that will not run."""
        self.scheduler.abandon(task_id)
        self.set_error(task_id, Failure.of(failures.SKIPPED, because))
        self._finish(task_id, "skipped", now)

    def skip_descendants(self, task_id: str, now: int) -> None:
        """Skip everything that depends on a task which has ended and not succeeded."""
        because = f"depends on {task_id}, which is {self.tasks[task_id].status}"
        for after in self.graph.descendants([task_id]):
            if not self.tasks[after].is_terminal:
                self.skip(after, because, now)

    def undo_culprit(self, culprit: str, failure: Failure, now: int) -> None:
        """End the task as conflicted whose landed change makes `verify` fail; undo its batch and its descendants."""
        batch = self.batches.batch_of(culprit)
        undone = [each for each in self.graph.descendants(batch or [culprit]) if self.tasks[each].landed]
        self.set_error(culprit, failure)
        self._finish(culprit, "conflicted", now)
        for task_id in undone:
            self.skip(task_id, f"undone: depends on {culprit}, which is conflicted", now)
        self.undo_landings([culprit, *batch, *undone])

    def undo_batch(self, level: int, now: int) -> None:
        """Take a batch out of the head, which lands as a whole or not at all, and skip what depends on it."""
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
        """Count a task that needs no agent any more; with the last one of its batch, land all of it or nothing."""
        complete = self.batches.settle(task_id)
        if complete is None:
            return
        statuses = {self.tasks[each].status for each in self.batches.batch_of(task_id)}
        if statuses & {"failed", "conflicted", "cancelled"}:
            self.undo_batch(self.batches.level_of(task_id), now)
            return
        for each in complete:
            if self.tasks[each].commit is None:
                self.landed(each, now)
            else:
                self.to_land.append(each)
