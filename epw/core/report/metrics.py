"""Metrics of an execution, measured or None; `epw.core.report.measured.Metrics` explains each."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import accumulate
from typing import NotRequired

from typing_extensions import TypedDict

from epw.core.execution.state import ExecutionState
from epw.core.execution.task_state import NO_WORKER_MS
from epw.core.plan.graph import TaskGraph
from epw.core.report.measured import Metrics
from epw.core.report.spending import spent
from epw.core.schedule.prediction import Hold, busy_time, makespan, predict_plan, simulate
from epw.core.schedule.scheduler import Scheduler, batches


def metrics(execution: ExecutionState, elapsed_ms: int, conflict_count: int, hazard_count: int = 0) -> Metrics:
    """Metrics as of now; `elapsed_ms`: time since the execution's start, until its close where it has one."""
    graph, states = execution.graph, list(execution.tasks.values())
    idle, worked = execution.idle.intervals, execution.worked
    # What is away and worked on by another agent is no time without a worker; nor is the change from one to the next.
    away = [(start, end) for start, end in uncovered(execution.away, worked) if end - start >= NO_WORKER_MS]
    url_away = uncovered(execution.url_away, [*away, *worked])
    rest = total_time([*idle, *away, *url_away])
    total = max(0, elapsed_ms - rest)
    durations = {state.task.id: float(state.duration_ms) for state in states}
    sequential = sum(durations.values())
    ran = [state for state in states if state.attempts]
    agents = execution.max_agents_so_far
    schedule = _schedule(execution) if ran else None
    efficiency = schedule / total if schedule is not None and total else None
    overhead = max(0.0, 1 - efficiency) if efficiency is not None else None
    wide = sum(len(level) for level in graph.levels if len(level) > 1)
    estimate = sum(graph.minutes.values())
    outcomes = [state.outcome for state in states if state.outcome is not None]
    memory = [each.peak_memory_mb for each in outcomes if each.peak_memory_mb is not None]
    cpu = [each.cpu_seconds for each in outcomes if each.cpu_seconds is not None]
    written = [each.written_mb for each in outcomes if each.written_mb is not None]
    return {
        "totalTasks": len(states),
        "parallelTasks": wide,
        "sequentialTasks": len(states) - wide,
        "totalDuration": total,
        "sequentialDuration": round(sequential),
        "actualSpeedup": _rounded(sequential / total if total and ran else None),
        "agentCount": agents,
        "conflictCount": conflict_count,
        "failureCount": execution.failures,
        "retryCount": sum(max(0, state.attempts - 1 - state.retries) for state in states),
        "askedRetryCount": sum(state.retries for state in states),
        "rerunCount": sum(state.conflict_reruns for state in states),
        "lostRunCount": sum(state.lost_runs for state in states),
        **_away_ms(away, url_away),
        "hazardCount": hazard_count,
        "estimatedSpeedup": _rounded(estimate / makespan(predict_plan(execution.plan, graph, agents))),
        "scheduleDuration": round(schedule) if schedule is not None else None,
        "efficiency": _rounded(efficiency),
        "coordinationOverhead": _rounded(overhead),
        "criticalPath": _critical_path(execution, durations),
        # Of each task's last attempt.
        "peakMemoryMB": max(memory, default=None),
        "cpuSeconds": _rounded(sum(cpu)) if cpu else None,
        "writtenMB": _rounded(sum(written)) if written else None,
        "agentsUsed": len(+execution.agents_used),
        "batches": len(batches(graph, agents)),
        "peakConcurrency": _most_at_work(execution),
        **spent([state.outcome.usage for state in states if state.outcome is not None]),
    }


class _AwayMs(TypedDict):
    awayMs: int
    urlAwayMs: NotRequired[int]


def _away_ms(away: list[tuple[int, int]], url_away: list[tuple[int, int]]) -> _AwayMs:
    found: _AwayMs = {"awayMs": total_time(away)}
    if url_away:
        found["urlAwayMs"] = total_time(url_away)
    return found


def _most_at_work(execution: ExecutionState) -> int:
    """The most agents that were at work at once; one that waits for its worker or machine is not."""
    changes = [(state.since, 1) for state in execution.tasks.values() if state.status == "running"]
    for begin, end in execution.at_work:
        changes += [(begin, 1), (end, -1)]
    # Of what happens in the same millisecond, ends come first. The clocks of several hosts differ.
    most = max(accumulate((change for _, change in sorted(changes)), initial=0))
    return min(most, execution.most_started)


def total_time(stretches: Iterable[tuple[int, int]]) -> int:
    """Time that some of these stretches cover, each with its beginning and end; what several cover counts once."""
    return sum(end - start for start, end in _joined(stretches))


def uncovered(stretches: Iterable[tuple[int, int]], by: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """What of these stretches the others do not cover, in order, each moment once."""
    covers, found, index = [*_joined(by), (math.inf, math.inf)], list[tuple[int, int]](), 0
    for start, end in _joined(stretches):
        at: float = start
        while at < end:
            while covers[index][1] <= at:
                index += 1
            begin, finish = covers[index]
            if begin > at:
                found.append((round(at), round(min(begin, end))))
            at = max(at, finish)
    return found


def _joined(stretches: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same stretches, in order, those that touch as one."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(stretches):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        elif end > start:
            found.append((start, end))
    return found


def _schedule(execution: ExecutionState) -> float:
    """Milliseconds of work that the same attempts, waits and pauses take when nothing else takes time."""
    phases = {
        task_id: state.phases
        for task_id, state in execution.tasks.items()
        if state.phases or (task_id in execution.reused and state.is_terminal)
    }
    began = execution.began or 0
    holds = [Hold(start - began, end - began) for start, end in execution.held_up.intervals]
    scheduler = Scheduler.of_plan(execution.plan, execution.graph, execution.max_agents_so_far)
    return busy_time(simulate(scheduler, phases, holds))


def _critical_path(execution: ExecutionState, durations: dict[str, float]) -> list[str]:
    """By estimates; after the end by measured durations, of the tasks that ran."""
    if not execution.finished:
        return execution.graph.critical_path
    measured = TaskGraph(execution.graph.dependencies, durations)
    return [task_id for task_id in measured.critical_path if execution.tasks[task_id].phases]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
