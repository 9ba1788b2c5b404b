"""`optimize_batch_distribution`: which agent does which task when, for one of three goals."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, pstdev
from typing import Any

from epw.core.plan.graph import TaskGraph
from epw.core.plan.mentions import write_sets
from epw.core.plan.model import Plan
from epw.core.plan.validate import check_cycles
from epw.core.schedule.prediction import Slot, makespan, predict
from epw.core.schedule.ready_queue import ReadyQueue
from epw.core.schedule.scheduler import declared_files
from epw.core.schedule.write_sets import WriteSets
from epw.tools.checks import Checks
from epw.tools.dependency_graph import read_graph, with_edges

GOALS = ("minimize-time", "balance-load", "minimize-conflicts")
_MAX_SLOWER = 1.1
"""Factor by which balancing may lengthen the schedule."""

_Files = Mapping[str, Sequence[str]]


def optimize_batch_distribution(arguments: Any) -> dict[str, Any]:
    """`{batches, estimatedTotalTime, loadBalance, reasoning, assignments, lowerBound, efficiency}`; minutes.

    Raises `InvalidInput`.
    """
    checks = Checks(arguments)
    tasks = checks.array("tasks")
    plan = checks.tasks(tasks, "tasks", "Task") if tasks else None
    given = read_graph(checks, checks.arguments.get("dependencyGraph"))
    agents = checks.agents()
    goal = checks.one_of("optimizationGoal", GOALS)
    if plan is not None and given is not None:
        _check_same(checks, plan, given[0])
    checks.raise_if_any()
    assert plan is not None
    assert given is not None
    graph = with_edges(plan, given[1])
    checks.problems += check_cycles(graph, "dependencyGraph.edges")
    checks.raise_if_any()
    apart = goal == "minimize-conflicts"
    files = write_sets(plan.tasks) if apart else declared_files(plan)
    slots = _balance(graph, agents, files) if goal == "balance-load" else predict(graph, agents, files=files)
    total, bound = makespan(slots), max(graph.critical_minutes, sum(graph.minutes.values()) / agents)
    busy = _busy(slots, agents)
    balance = max(0.0, 100 - 100 * pstdev(busy) / fmean(busy)) if any(busy) else 100.0
    return {
        "batches": _batches(slots, graph, agents, WriteSets(files if apart else {})),
        "estimatedTotalTime": round(total, 4),
        "loadBalance": round(balance, 2),
        "reasoning": _reasoning(goal, total, bound, graph, agents, takes_turns=not apart and bool(files)),
        "assignments": [
            {"agentId": f"agent-{slot.agent}", "taskId": slot.task_id, "start": slot.start, "end": slot.end}
            for slot in slots
        ],
        "lowerBound": round(bound, 4),
        "efficiency": round(bound / total, 4) if total else 1.0,
    }


def _check_same(checks: Checks, plan: Plan, nodes: Mapping[str, Any]) -> None:
    """Check that tasks and nodes are the same ids."""
    ids = {task.id for task in plan.tasks}
    if missing := [task.id for task in plan.tasks if task.id not in nodes]:
        checks.add("dependencyGraph.nodes", f"tasks without a node: {', '.join(missing[:20])}")
    if extra := [node for node in nodes if node not in ids]:
        checks.add("dependencyGraph.nodes", f"nodes without a task: {', '.join(extra[:20])}")


def _balance(graph: TaskGraph, agents: int, files: _Files) -> list[Slot]:
    quickest = predict(graph, agents, files=files)
    most = makespan(quickest) * _MAX_SLOWER + 1e-9
    longest_first = {task: -minutes for task, minutes in graph.minutes.items()}
    by_path = {task: -minutes for task, minutes in graph.bottom_level.items()}
    found = [_balanced(graph, agents, files, rank.__getitem__) for rank in (longest_first, by_path)]
    within = [slots for slots in found if makespan(slots) <= most]
    return min([*within, quickest], key=lambda slots: (pstdev(_busy(slots, agents)), makespan(slots)))


def _balanced(graph: TaskGraph, agents: int, files: _Files, rank: Callable[[str], float]) -> list[Slot]:
    """Ready tasks by rank, each to the free agent that has worked least."""
    order = {task: index for index, task in enumerate(graph.ids)}
    waiting = {task: len(before) for task, before in graph.dependencies.items()}
    ready = ReadyQueue(files)
    for task in graph.ids:
        if not waiting[task]:
            ready.push(task, (rank(task), order[task]))
    free = [(0.0, agent) for agent in range(1, agents + 1)]
    running: list[tuple[float, int, str, int, float]] = []
    slots, now = list[Slot](), 0.0
    while True:
        while free and (started := ready.pop()) is not None:
            busy, agent = heapq.heappop(free)
            end = now + graph.minutes[started]
            heapq.heappush(running, (end, len(slots), started, agent, busy + graph.minutes[started]))
            slots.append(Slot(started, agent, now, end))
        if not running:
            return slots
        now = running[0][0]
        while running and running[0][0] <= now:
            _, _, task, agent, busy = heapq.heappop(running)
            heapq.heappush(free, (busy, agent))
            ready.release(task)
            for after in graph.dependants[task]:
                waiting[after] -= 1
                if not waiting[after]:
                    ready.push(after, (rank(after), order[after]))


def _busy(slots: list[Slot], agents: int) -> list[float]:
    """Busy minutes of each agent."""
    busy = dict.fromkeys(range(1, agents + 1), 0.0)
    for slot in slots:
        busy[slot.agent] += slot.end - slot.start
    return list(busy.values())


def _batches(slots: list[Slot], graph: TaskGraph, agents: int, apart: WriteSets) -> list[dict[str, Any]]:
    """The order of starts cut into batches of at most `agents` tasks, each after the batches it depends on.

    Tasks that `apart` knows to write the same file are in no batch together.
    """
    cut: list[list[str]] = []
    batch_of: dict[str, int] = {}
    written: set[str] = set()
    for slot in slots:
        task, last = slot.task_id, len(cut) - 1
        fits = cut and len(cut[last]) < agents and all(batch_of[each] < last for each in graph.dependencies[task])
        patterns = apart.of(task)
        if not fits or any(not written.isdisjoint(apart.rivals[pattern]) for pattern in patterns):
            cut.append([])
            written.clear()
            last += 1
        cut[last].append(task)
        written.update(patterns)
        batch_of[task] = last
    return [
        {
            "id": f"batch-{index + 1}",
            "tasks": batch,
            "estimatedMinutes": max(graph.minutes[task] for task in batch),
            "dependsOnBatches": [
                f"batch-{number + 1}"
                for number in sorted({batch_of[each] for task in batch for each in graph.dependencies[task]})
            ],
        }
        for index, batch in enumerate(cut)
    ]


def _reasoning(goal: str, total: float, bound: float, graph: TaskGraph, agents: int, *, takes_turns: bool) -> str:
    path = graph.critical_minutes >= sum(graph.minutes.values()) / agents
    limit = "the critical path" if path else f"the work of {agents} agents"
    how = {
        "minimize-time": "list schedule, longest remaining path first",
        "balance-load": "longest tasks first, each to the agent that has worked least",
        "minimize-conflicts": "list schedule in which tasks whose files may overlap do not run at once",
    }[goal]
    turns = ", those that declare the same files in turn" if takes_turns else ""
    return f"{goal}: {how}{turns}; {total:g} minutes, at least {bound:g} by {limit}"
