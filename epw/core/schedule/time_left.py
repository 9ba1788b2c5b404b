"""Time that an execution still takes: list schedules of what is left, with times drawn from the measured speeds.

Each draw is one way in which it may go on; the middle of their ends is the forecast, and the range holds eight of ten.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, median

from epw.core.plan.graph import TaskGraph
from epw.core.plan.model import Plan
from epw.core.schedule.prediction import Phase, simulate
from epw.core.schedule.scheduler import Scheduler, barriers, declared_files
from epw.core.schedule.speeds import Measurement, Speeds

_NORMAL = NormalDist()
_MAX_DRAWS, _MIN_DRAWS, _MAX_STARTS = 60, 4, 6_000
"""Number of schedules, and of starts in all of them: what a forecast costs is bounded."""
_RANGE = (0.02, 0.98)
"""Draws leave out what estimates are wrong in alike: of 60 measured ends 52 lay within, of (0.1, 0.9) three in four."""
_ALMOST = 1 - 1e-6
_FAR_OUT = 4.0
_TRUST_IN_SUCCESS = 3.0


@dataclass(frozen=True)
class TaskNow:
    """A task as it stands; times in minutes."""

    kind: str
    """What does it: agents of one kind are measured together."""
    status: str
    """`ended`, `running`, `landing` (its work is done) or `open`."""
    took: float | None = None
    """Time in attempts, of one that has succeeded."""
    attempts: int = 0
    """Attempts that have begun; all but the last have failed."""
    afterwards: float | None = None
    """Time from the end of its work until it had landed."""
    elapsed: float = 0.0
    """Time in the present attempt, waits apart."""
    percent: float | None = None
    """What its agent reports."""
    reported_left: float | None = None
    """Minutes left, as its agent reports them."""
    waits: float = 0.0
    """Time until it can go on; a wait for a person counts as none."""


@dataclass(frozen=True)
class TimeLeft:
    """Forecast in minutes: the middle, and the range that holds eight of ten."""

    middle: float
    low: float
    high: float
    measured: float
    """How many tasks' times it rests on; 0: on the estimates alone."""
    tasks: Mapping[str, float]
    """Minutes left of each task that runs."""


def time_left(plan: Plan, graph: TaskGraph, tasks: Mapping[str, TaskNow], agents: int | None = None) -> TimeLeft:
    """The forecast of an execution whose tasks stand as `tasks` says; those that are not named are open.

    `graph` may have more edges than the plan; `agents`: how many work now, where that is not the plan's number.
    """
    known = {task: tasks.get(task, TaskNow("", "open")) for task in graph.ids}
    left = {task: now for task, now in known.items() if now.status != "ended"}
    speeds, failing = Speeds(_measurements(known, graph.minutes)), _failing(known)
    if not left:
        return TimeLeft(0.0, 0.0, 0.0, speeds.measured, {})
    afterwards = [now.afterwards for now in known.values() if now.afterwards is not None]
    landing = median(afterwards) if afterwards else 0.0
    rest = _Rest(plan, graph, left, agents)
    count = max(_MIN_DRAWS, min(_MAX_DRAWS, _MAX_STARTS // len(left)))
    ends, works = list[float](), dict[str, list[float]]()
    for drawn in _draws(left, graph.minutes, speeds, failing, (count + 1) // 2):
        ends.append(rest.end({task: _phases(left[task], work, landing) for task, work in drawn.items()}))
        for task, now in left.items():
            if now.status == "running":
                works.setdefault(task, []).append(drawn[task])
    ends.sort()
    low, high = (ends[round(part * (len(ends) - 1))] for part in _RANGE)
    return TimeLeft(median(ends), low, high, speeds.measured, {task: median(each) for task, each in works.items()})


class _Rest:
    """The part of a plan that is left: what runs starts first, the rest as the scheduler of the execution has it."""

    def __init__(self, plan: Plan, graph: TaskGraph, left: Mapping[str, TaskNow], agents: int | None) -> None:
        first = max(task.priority for task in plan.tasks) + 1
        begun = [task for task, now in left.items() if now.status in ("running", "landing")]
        own = {task.id: task.priority for task in plan.tasks}
        before = {task: [each for each in graph.dependencies[task] if each in left] for task in left}
        levels = barriers(plan, graph)
        numbers = {level: n for n, level in enumerate(sorted({levels[task] for task in left if levels}))}
        self._graph = TaskGraph(before, {task: graph.minutes[task] for task in left})
        self._agents = max(plan.max_agents if agents is None else agents, len(begun))
        self._priorities = {**{task: own.get(task, 0) for task in left}, **dict.fromkeys(begun, first)}
        self._files = {task: files for task, files in declared_files(plan).items() if task in left}
        self._levels = {task: numbers[levels[task]] for task in left} if levels else {}

    def end(self, phases: Mapping[str, Sequence[Phase]]) -> float:
        """When everything has landed, if tasks take so long."""
        scheduler = Scheduler(self._graph, self._agents, self._priorities, self._files, self._levels)
        last = {slot.task_id: slot.end for slot in simulate(scheduler, phases)}
        return max((end + phases[task][-1].wait for task, end in last.items()), default=0.0)


def _measurements(tasks: Mapping[str, TaskNow], minutes: Mapping[str, float]) -> Iterator[Measurement]:
    for task, now in tasks.items():
        if now.status == "ended" and now.took is not None:
            yield Measurement(now.kind, minutes[task], now.took / max(1, now.attempts))
        elif now.status == "running":
            yield Measurement(now.kind, minutes[task], now.elapsed, has_ended=False)
            reported = _reported(now)
            if reported is not None:
                # The further a task is, the more its report says of the whole.
                whole = now.elapsed + reported
                yield Measurement(now.kind, minutes[task], whole, weight=now.elapsed / whole if whole else 0.0)


def _reported(now: TaskNow) -> float | None:
    """Minutes left of a running task by what its agent reports, None where it reports nothing."""
    if now.reported_left is not None:
        return now.reported_left
    if not now.percent or not now.elapsed:
        return None
    return now.elapsed * (100 - now.percent) / now.percent


def _draws(
    left: Mapping[str, TaskNow], minutes: Mapping[str, float], speeds: Speeds, failing: float, count: int
) -> Iterator[dict[str, float]]:
    """Minutes of work left by task, of 2 × `count` ways in which it may go on; `failing`: part of the attempts."""
    medians = {task: math.log(speeds.median(now.kind, minutes[task])) for task, now in left.items()}
    doubts = {kind: speeds.doubt(kind) for kind in dict.fromkeys(now.kind for now in left.values())}
    for seed in range(count):
        normals = iter(_NORMAL.samples(len(doubts) + 2 * len(left), seed=seed))
        shared = {kind: next(normals) * doubt for kind, doubt in doubts.items()}
        own = {task: (next(normals), next(normals)) for task in left}
        # Each draw has its mirror image: so the middle settles with few.
        for sign in (1, -1):
            works = {}
            for task, now in left.items():
                normal, luck = own[task]
                middle = medians[task] + sign * shared[now.kind]
                works[task] = _rest(now, middle, sign * normal, speeds.spread)
                if now.status != "landing" and _NORMAL.cdf(sign * luck) < failing:
                    works[task] += math.exp(middle + speeds.spread * sign * normal)
            yield works


def _rest(now: TaskNow, middle: float, normal: float, spread: float) -> float:
    """Minutes left of a task, of which half take e^`middle` in all; `normal`: the draw."""
    if now.status == "landing":
        return 0.0
    if now.status != "running" or now.elapsed <= 0:
        return math.exp(middle + spread * normal)
    # As long as it has taken already it takes in any case: the draw is among those that take longer.
    at, among = (math.log(now.elapsed) - middle) / spread, _NORMAL.cdf(normal)
    if at < _FAR_OUT:
        passed = _NORMAL.cdf(at)
        whole = math.exp(middle + spread * _NORMAL.inv_cdf(passed + (1 - passed) * min(among, _ALMOST)))
        rest = max(0.0, whole - now.elapsed)
    else:
        # There the tail of the logarithm is all but exponential.
        rest = now.elapsed * math.expm1(-math.log1p(-min(among, _ALMOST)) * spread / at)
    reported = _reported(now)
    if reported is None:
        return rest
    trust = now.elapsed / (now.elapsed + reported)
    return trust * reported + (1 - trust) * rest


def _phases(now: TaskNow, work: float, landing: float) -> list[Phase]:
    waits = [Phase(0.0, now.waits)] if now.waits else []
    return [*waits, Phase(work, landing)]


def _failing(tasks: Mapping[str, TaskNow]) -> float:
    """Part of the attempts that fail, of those that have ended."""
    failed = sum(max(0, now.attempts - 1) for now in tasks.values())
    ended = sum(now.attempts - (now.status != "ended") for now in tasks.values() if now.attempts)
    return failed / (ended + _TRUST_IN_SUCCESS)
