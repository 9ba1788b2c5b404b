"""Discrete-event model of an execution: its state and its scheduler, on a server and hosts that take time for it.

The state machine of the execution decides what starts, lands, is tried again and ends, in turns as the workflow has
them: what happens during a turn waits for the next one. Between turns there are the server, workers, the cores of their
hosts, the agents, and the landing of all that is ready, of which there is one at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from epw.core import failures
from epw.core.execution.state import ExecutionState
from epw.core.execution.task_state import Start
from epw.core.messages import Failure, TaskOutcome
from epw.core.plan.git_url import is_url
from epw.core.plan.model import Plan
from epw.core.simulation.account import Account
from epw.core.simulation.agenda import Agenda, Then
from epw.core.simulation.costs import Costs
from epw.core.simulation.course import BUDGET, FAILURE, LABELS, Attempt, Predicted
from epw.core.simulation.fleet import Fleet, Host, Place
from epw.core.simulation.works import Luck, Work, works_of

_AHEAD = 0.25
"""Part of what a turn takes in the server that is done before the worker has it."""
_ONE_HOST, _NO_FAILURES = (Host(),), Luck()
_COMPLETED, _CHANGED = TaskOutcome(kind="completed"), TaskOutcome(kind="completed", commit="simulated")
_FAILED = TaskOutcome(kind="failed")
_AGENT_FAILED = Failure.of(failures.AGENT_FAILED, "an attempt of the simulation has failed")
_LOST = Failure.of(failures.WORKER_LOST, "an attempt of the simulation was lost")


def simulate_execution(
    plan: Plan,
    costs: Costs,
    hosts: Sequence[Host] = _ONE_HOST,
    luck: Luck = _NO_FAILURES,
    files: int = 0,
) -> Predicted:
    """The course of an execution of an acyclic plan; the same for the same input.

    `files`: how many its workspace has. One whose workspace is a directory runs on the first host alone.
    """
    return _Simulation(plan, costs, hosts, luck, files).run()


class _Simulation:
    def __init__(self, plan: Plan, costs: Costs, hosts: Sequence[Host], luck: Luck, files: int) -> None:
        self._plan, self._costs, self._luck, self._files = plan, costs, luck, files
        self._execution = ExecutionState(plan)
        self._agenda = Agenda()
        self._account = Account(self._agenda, plan.constraints, partial(self._stop, BUDGET))
        is_bound = plan.workspace is not None and not is_url(plan.workspace)
        self._places = [
            Place(self._agenda, host, number) for number, host in enumerate(hosts[:1] if is_bound else hosts)
        ]
        self._home = self._places[0]
        """Where the server, the workflow's turns and the landings are."""
        self._fleet = Fleet(self._places)
        self._works = works_of(plan, luck)
        self._happened: list[Then] = []
        self._has_turn = self._lands = self._has_ended = False
        self._landing, self._changes = 0.0, 0
        self._made_on: dict[str, int] = {}
        """How many changes were in the head that each task's attempt began on."""
        self._stopped: str | None = None
        self._attempts: list[Attempt] = []

    def run(self) -> Predicted:
        costs, has_workspace = self._costs, self._plan.workspace is not None
        prepare = costs.prepare + costs.prepare_file * self._files if has_workspace else 0.0
        self._has_turn = True
        self._agenda.after(costs.begin + costs.begin_task * len(self._plan.tasks) + prepare, self._turn)
        while not self._stopped and not self._has_ended and self._agenda.step():
            pass
        if not self._has_ended:
            self._stop(LABELS)
        seconds = self._agenda.now
        if self._stopped in (None, FAILURE):
            seconds += costs.finish
            seconds += costs.deliver + costs.deliver_change * self._changes if has_workspace else 0.0
        return Predicted(
            seconds=seconds,
            done=self._execution.counts["succeeded"],
            stopped=self._stopped,
            cost_usd=self._account.used.cost_usd,
            tokens=self._account.used.tokens,
            most_at_once=self._execution.most_started,
            landing=self._landing,
            slowed=self._account.slowed,
            attempts=self._attempts,
        )

    def _stop(self, because: str) -> None:
        self._stopped = self._stopped or because

    @property
    def _now(self) -> int:
        return round(self._agenda.now * 1000)

    def _serve(self, seconds: float, then: Then) -> None:
        """Have the server do something."""
        self._home.machine.process(seconds, then)

    def _post(self, settle: Then) -> None:
        """Note what has happened, for the next turn."""
        self._happened.append(settle)
        self._ask_turn()

    def _ask_turn(self) -> None:
        if self._happened and not self._has_turn:
            self._has_turn = True
            # After whatever else happens at this moment.
            self._agenda.after(self._costs.hop, partial(self._serve, _AHEAD * self._costs.turn_process, self._turn))

    def _turn(self) -> None:
        """A turn of the workflow: settle what has happened, start what can, land what is ready."""
        happened, self._happened = self._happened, []
        execution = self._execution
        for settle in happened:
            settle()
        if execution.stopping:
            self._cancel_all()
            return
        if execution.finished:
            self._has_ended = True
            return
        starts = list(execution.starts(self._now))
        batch: list[str] = []
        if not self._lands and execution.to_land:
            batch, execution.to_land = execution.to_land, []
            self._lands = True
        handled = max(len(happened), len(starts))
        spent = self._costs.turn_thread + self._costs.event_thread * handled
        self._home.machine.thread(spent, partial(self._decided, starts, batch))

    def _decided(self, starts: Sequence[Start], batch: list[str]) -> None:
        self._has_turn = False
        # Nothing waits for what the server does after a turn.
        self._serve((1 - _AHEAD) * self._costs.turn_process, _nothing)
        for start in starts:
            self._made_on[start.task_id] = self._changes
            self._serve(self._costs.activity_process / 2, partial(self._dispatch, start, self._agenda.now))
        if batch:
            self._serve(self._costs.activity_process / 2, partial(self._land, batch))
        self._ask_turn()

    def _cancel_all(self) -> None:
        """A failure that stops the execution: what runs is cancelled, and what has landed is undone."""
        if self._execution.scheduler.running:
            self._agenda.after(self._costs.cancel, partial(self._stop, FAILURE))
        else:
            self._stop(FAILURE)

    def _dispatch(self, start: Start, at: float) -> None:
        needs = self._execution.tasks[start.task_id].task.needs
        run = partial(self._begin, start, at, 1)
        self._agenda.after(self._costs.hop, partial(self._fleet.take, needs, run))

    def _begin(self, start: Start, at: float, number: int, place: Place) -> None:
        """A run of the attempt, which has a slot; `number`: from 1, of the runs that its losses made necessary."""
        task, begun = self._execution.tasks[start.task_id].task, self._agenda.now
        place.machine.load(self._costs.beat_process, self._costs.beat_thread)
        work = self._works(task, start.attempt)
        end = partial(self._end, start, at, begun, place, work, number)
        worked = partial(self._leave_directory, place, end) if work.uses_files else end
        at_work = partial(self._work, place, work, worked)
        ready = partial(self._take_directory, place, at_work) if work.uses_files else at_work
        place.loop.do(self._costs.activity_thread / 2, ready)

    def _work(self, place: Place, work: Work, then: Then) -> None:
        costs = self._costs

        def begin() -> None:
            if work.demand:
                self._account.work(work.seconds, work.demand, then)
            else:
                self._agenda.after(work.seconds, then)

        if work.is_process:
            process = partial(place.machine.process, costs.program_process, begin)
            self._agenda.after(costs.program_pause, partial(place.machine.thread, costs.program_thread, process))
        else:
            begin()

    def _take_directory(self, place: Place, then: Then) -> None:
        place.in_use += 1
        is_new = place.in_use > place.directories
        place.directories += is_new
        self._half_of_directory(place, self._costs.directory_file * self._files if is_new else 0.0, then)

    def _leave_directory(self, place: Place, then: Then) -> None:
        place.in_use -= 1
        self._half_of_directory(place, 0.0, then)

    def _half_of_directory(self, place: Place, more: float, then: Then) -> None:
        costs = self._costs
        place.at_files += 1

        def end() -> None:
            place.at_files -= 1
            then()

        begin = partial(self._at_files, place, costs.directory_thread / 2, costs.directory_process / 2 + more, end)
        self._agenda.after(costs.directory_pause / 2, begin)

    def _at_files(self, place: Place, thread: float, process: float, then: Then) -> None:
        """Work of a thread, then of a process, on files."""
        factor = 1 + self._costs.crowding * place.crowd
        place.machine.thread(factor * thread, partial(place.machine.process, factor * process, then))

    def _end(self, start: Start, at: float, begun: float, place: Place, work: Work, number: int) -> None:
        """The agent has ended, or its worker has with it."""
        task_id, strategy = start.task_id, self._execution.strategy
        if not self._luck.strikes(self._luck.lost, task_id, start.attempt, number):
            place.loop.do(self._costs.activity_thread / 2, partial(self._report, start, at, begun, place, work))
            return
        self._gone(start, at, begun, place)
        if number >= strategy.infrastructure_attempts:
            self._post(partial(self._failed, task_id, _LOST, None))
            return
        pause = strategy.first_backoff_seconds * strategy.backoff_coefficient ** (number - 1)
        again = partial(self._begin, start, at, number + 1)
        needs = self._execution.tasks[task_id].task.needs
        self._agenda.after(min(pause, strategy.longest_backoff_seconds), partial(self._fleet.take, needs, again))

    def _report(self, start: Start, at: float, begun: float, place: Place, work: Work) -> None:
        self._gone(start, at, begun, place)
        self._serve(self._costs.activity_process / 2, partial(self._post, partial(self._settle, start, work)))

    def _gone(self, start: Start, at: float, begun: float, place: Place) -> None:
        end = self._agenda.now
        place.machine.load(-self._costs.beat_process, -self._costs.beat_thread)
        self._attempts.append(Attempt(start.task_id, start.agent_id, place.number, at, begun, end))
        self._fleet.leave(place)

    def _settle(self, start: Start, work: Work) -> None:
        if work.fails:
            self._failed(start.task_id, _AGENT_FAILED, _FAILED)
        else:
            self._execution.completed(start.task_id, _CHANGED if work.changes else _COMPLETED, self._now)

    def _failed(self, task_id: str, failure: Failure, outcome: TaskOutcome | None) -> None:
        self._execution.attempt_failed(task_id, failure, outcome, self._now)

    def _land(self, batch: Sequence[str]) -> None:
        """Land changes one after the other, in one activity; one that was made on the head needs no merge."""
        costs, began = self._costs, self._agenda.now
        left = len(batch) - (self._made_on[batch[0]] == self._changes)

        def one() -> None:
            nonlocal left
            if not left:
                self._landing += self._agenda.now - began
                self._serve(costs.activity_process / 2, partial(self._post, partial(self._has_landed, batch)))
                return
            left -= 1
            self._at_files(self._home, costs.change_thread, costs.change_process, one)

        whole = partial(self._agenda.after, costs.landing, one)
        self._agenda.after(costs.hop, partial(self._home.loop.do, costs.activity_thread, whole))

    def _has_landed(self, batch: Sequence[str]) -> None:
        self._lands = False
        self._changes += len(batch)
        for task_id in batch:
            self._execution.landed(task_id, self._now)


def _nothing() -> None:
    pass
