"""Predicted schedules: the scheduler of an execution, driven by given durations instead of agents."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from epw.core.plan.graph import TaskGraph
from epw.core.plan.model import Plan
from epw.core.schedule.scheduler import Scheduler


@dataclass(frozen=True)
class Slot:
    """A task at work in a predicted schedule; times have the unit of the durations."""

    task_id: str
    agent: int
    start: float
    end: float


@dataclass(frozen=True)
class Phase:
    """Work of a task with an agent and its files, and the time after it in which the task waits with neither."""

    work: float
    wait: float = 0.0


@dataclass(frozen=True)
class Hold:
    """A stretch of time in which nothing starts."""

    start: float
    end: float


def predict_plan(plan: Plan, graph: TaskGraph, agents: int | None = None) -> list[Slot]:
    """The schedule of a plan by its estimates, in minutes; `graph` may have more edges than the plan."""
    return simulate(Scheduler.of_plan(plan, graph, agents), estimates(graph.minutes))


def predict(graph: TaskGraph, agents: int, durations: Mapping[str, float] | None = None, **fields: Any) -> list[Slot]:
    """The list schedule on this number of agents, in the order of starts.

    `durations` is by task, by default the estimates. `fields`: `priorities`, `files` and `levels` of a `Scheduler`.
    """
    return simulate(Scheduler(graph, agents, **fields), estimates(durations or graph.minutes))


def estimates(durations: Mapping[str, float]) -> dict[str, list[Phase]]:
    """Tasks that each work once, for so long."""
    return {task: [Phase(duration)] for task, duration in durations.items()}


def simulate(
    scheduler: Scheduler,
    phases: Mapping[str, Sequence[Phase]],
    holds: Sequence[Hold] = (),
) -> list[Slot]:
    """What a new scheduler of an acyclic graph does when its tasks take as long as `phases` say, in order of starts.

    After each phase a task gives back its agent and its files; after the wait it queues for the next, or has landed.
    A task without a phase, `[]`, is done when it is its turn; one that is not named never runs.
    `holds` are ordered and do not overlap.
    """
    done: dict[str, int] = {}
    slots: list[Slot] = []
    events: list[tuple[float, int, str, bool]] = []
    """(time, number, task, whether it stops working then: else it is ready again); at the end of a hold, no task."""
    number = 0

    def later(time: float, task: str, *, ends: bool) -> None:
        nonlocal number
        number += 1
        heapq.heappush(events, (time, number, task, ends))

    for task in scheduler.tasks:
        if task not in phases:
            scheduler.abandon(task)
            scheduler.close(task)
    for hold in holds:
        later(hold.end, "", ends=False)
    now = 0.0
    while True:
        while not any(hold.start <= now < hold.end for hold in holds) and (start := scheduler.next_start()) is not None:
            task, agent = start
            if not phases[task]:
                scheduler.release_agent(task)
                scheduler.release_files(task)
                _end(scheduler, task)
                continue
            end = now + phases[task][done.get(task, 0)].work
            slots.append(Slot(task, agent, now, end))
            later(end, task, ends=True)
        if not events:
            return slots
        now = events[0][0]
        # Everything of this moment before another start, so that the order of what ends at once does not matter.
        while events and events[0][0] <= now:
            _, _, task, ends = heapq.heappop(events)
            if ends:
                scheduler.release_agent(task)
                scheduler.release_files(task)
                wait = phases[task][done.get(task, 0)].wait
                done[task] = done.get(task, 0) + 1
                if wait:
                    later(now + wait, task, ends=False)
                    continue
            if task and done[task] < len(phases[task]):
                scheduler.requeue(task)
            elif task:
                _end(scheduler, task)


def _end(scheduler: Scheduler, task: str) -> None:
    scheduler.landed(task)
    scheduler.close(task)


def makespan(slots: Sequence[Slot]) -> float:
    """The end of the slot that ends last; 0 without slots."""
    return max((slot.end for slot in slots), default=0.0)


def busy_time(slots: Sequence[Slot]) -> float:
    """The makespan less the stretches in which no agent works; slots in order of starts."""
    busy = end = 0.0
    for slot in slots:
        busy += max(0.0, slot.end - max(slot.start, end))
        end = max(end, slot.end)
    return busy
