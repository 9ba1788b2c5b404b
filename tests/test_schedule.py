"""The list scheduler against the seed's numbers and, for any plan, against I1 to I6."""

from __future__ import annotations

import heapq
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from epw.core.execution.state import ExecutionState
from epw.core.execution.task_state import TERMINAL
from epw.core.globs import may_overlap
from epw.core.messages import Failure, TaskOutcome
from epw.core.plan.graph import TaskGraph, shown_cycle
from epw.core.plan.validate import read_plan
from epw.core.report.metrics import metrics
from epw.core.schedule.list_schedule import Scheduler, batches, makespan, predict

CASES = json.loads((Path(__file__).parent / "plans" / "cases.json").read_text())


def graph_of(tasks: list[dict[str, Any]]) -> TaskGraph:
    return TaskGraph(
        {task["id"]: task.get("dependsOn", []) for task in tasks},
        {task["id"]: task["estimatedMinutes"] for task in tasks},
    )


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_seed_s_numbers(case: dict[str, Any]) -> None:
    graph = graph_of(case["tasks"])
    assert graph.critical_minutes == case["criticalPathMinutes"]
    assert sum(graph.minutes.values()) == case["totalMinutes"]
    for agents, expected in case["listSchedule"].items():
        assert makespan(predict(graph, int(agents))) == expected, f"on {agents} agents"


def test_priority_goes_before_the_longest_path_and_ties_by_plan_order() -> None:
    graph = graph_of([{"id": name, "estimatedMinutes": minutes} for name, minutes in (("a", 1), ("b", 9), ("c", 1))])
    order = [slot.task_id for slot in predict(graph, 1, priorities={"c": 1})]
    assert order == ["c", "b", "a"]


def test_free_agents_take_turns() -> None:
    graph = graph_of([{"id": str(n), "estimatedMinutes": 1} for n in range(6)])
    assert [slot.agent for slot in predict(graph, 3)] == [1, 2, 3, 1, 2, 3]


def test_tasks_that_share_files_do_not_run_at_once() -> None:
    graph = graph_of([{"id": name, "estimatedMinutes": 5} for name in "abc"])
    slots = {slot.task_id: slot for slot in predict(graph, 3, files={"a": ["src/**"], "b": ["src/x.py"], "c": ["doc"]})}
    assert slots["b"].start >= slots["a"].end
    assert slots["c"].start == 0


def test_fewer_agents_leave_when_their_task_ends_and_more_come_at_once() -> None:
    scheduler = Scheduler(graph_of([{"id": str(n), "estimatedMinutes": 1} for n in range(8)]), 3)
    running = [scheduler.next_start() for _ in range(3)]
    scheduler.set_max_agents(1)
    for start in running[:2]:
        assert start is not None
        scheduler.release_agent(start[0])
        assert scheduler.next_start() is None
    assert running[2] is not None
    scheduler.release_agent(running[2][0])
    assert scheduler.next_start() is not None
    assert scheduler.next_start() is None
    scheduler.set_max_agents(2)
    assert scheduler.next_start() is not None
    assert scheduler.next_start() is None


def test_a_chain_and_a_wide_plan_of_ten_thousand() -> None:
    chain = TaskGraph({str(n): [str(n - 1)] if n else [] for n in range(10_000)}, {str(n): 1.0 for n in range(10_000)})
    assert makespan(predict(chain, 4)) == 10_000
    assert len(chain.critical_path) == 10_000
    wide = TaskGraph({str(n): [] for n in range(10_000)}, {str(n): 1.0 for n in range(10_000)})
    assert makespan(predict(wide, 100)) == 100


def test_no_batch_is_wider_than_the_agents_and_no_dependency_is_lost() -> None:
    graph = graph_of(CASES[5]["tasks"])
    cut = batches(graph, 3)
    assert [len(batch) for batch in cut] == [3, 3, 3, 1, 1]


@st.composite
def plans(draw: st.DrawFn) -> dict[str, Any]:
    count = draw(st.integers(1, 14))
    files = st.lists(st.sampled_from(["a", "b/**", "b/c", "*.py", "d/x.py"]), max_size=2)
    return {
        "maxAgents": draw(st.integers(1, 5)),
        "strategy": draw(st.sampled_from(["conservative", "aggressive"])),
        "tasks": [
            {
                "id": f"t{n}",
                "description": "work",
                "run": "true",
                "estimatedMinutes": draw(st.integers(1, 20)),
                "priority": draw(st.integers(-1, 1)),
                "files": draw(files),
                "dependsOn": [f"t{d}" for d in range(n) if draw(st.integers(0, 3)) == 0],
            }
            for n in range(count)
        ],
    }


@given(plans(), st.randoms(use_true_random=False))
def test_any_execution_keeps_the_invariants(document: dict[str, Any], random: Any) -> None:
    """Drives the execution as the workflow does, with agents that end, fail and ask in any order."""
    plan = read_plan(document)
    execution, clock, running = ExecutionState(plan), 0, list[tuple[int, str]]()
    started: dict[str, int] = {}
    files = {task.id: task.files for task in plan.tasks}
    while not execution.finished:
        for start in execution.starts(clock):
            for before in execution.graph.dependencies[start.task_id]:
                assert execution.tasks[before].status == "succeeded", "I1"
            for _, other in running:
                assert not any(may_overlap(a, b) for a in files[start.task_id] for b in files[other]), "files"
            started.setdefault(start.task_id, clock)
            heapq.heappush(running, (clock + random.randint(1, 20), start.task_id))
            assert len(running) <= plan.max_agents, "I2"
            assert len({execution.tasks[task].agent_id for _, task in running}) == len(running), "one task an agent"
        execution.observe(clock)
        if execution.stopping:
            for _, task in running:
                execution.cancelled(task, None, clock)
            execution.stop(clock)
            break
        waiting = [task for task, state in execution.tasks.items() if state.waiting_for == "question"]
        if waiting and (not running or random.random() < 0.5):
            clock += 1
            execution.answered(waiting[0], "yes", clock)
            continue
        ready = execution.with_status("ready")
        assert running, f"nothing runs, and {ready} could"
        clock, task = heapq.heappop(running)
        began = max(started[task], execution.tasks[task].since)
        fate = random.random()
        kind = "completed" if fate < 0.7 else "failed" if fate < 0.85 else "question"
        outcome = TaskOutcome.model_validate({"kind": kind, "durationMs": clock - began})
        if kind == "completed":
            execution.completed(task, outcome, clock)
        elif kind == "failed":
            execution.attempt_failed(task, Failure(type="X", message="x"), outcome, clock)
        else:
            execution.wait_for("question", task, outcome, clock)
    states = execution.tasks.values()
    assert all(state.status in TERMINAL for state in states), "I3"
    assert sum(execution.counts.values()) == len(execution.tasks), "I3: counted once"
    bad = execution.with_status("failed", "conflicted")
    if plan.strategy == "aggressive":
        assert execution.with_status("skipped") == [
            task for task in execution.graph.descendants(bad) if execution.tasks[task].status == "skipped"
        ], "I5"
        assert set(execution.with_status("skipped")) == set(execution.graph.descendants(bad)), "I5"
    found = metrics(execution, clock, 0)
    assert found["peakConcurrency"] <= plan.max_agents, "I2"
    assert found["sequentialDuration"] == sum(state.duration_ms for state in states), "I6"
    if found["actualSpeedup"] is not None and not execution.idle.ms:
        assert found["actualSpeedup"] <= plan.max_agents + 1e-6, "I6"


def _agents_at_work(scheduler: Scheduler) -> list[int]:
    found = []
    while (start := scheduler.next_start()) is not None:
        assert scheduler.agent_of(start[0]) == start[1]
        found.append(start[1])
    return found


@pytest.mark.parametrize(("before", "after"), [(3, 5), (3, 1), (3, 3), (1, 4)])
def test_agents_that_come_have_the_next_numbers_and_those_that_leave_the_highest(before: int, after: int) -> None:
    rows = [{"id": str(n), "estimatedMinutes": 1} for n in range(9)]
    idle = Scheduler(graph_of(rows), before)
    idle.set_max_agents(after)
    assert sorted(_agents_at_work(idle)) == list(range(1, after + 1))
    busy = Scheduler(graph_of(rows), before)
    assert sorted(_agents_at_work(busy)) == list(range(1, before + 1))
    busy.set_max_agents(after)
    assert sorted(_agents_at_work(busy)) == list(range(before + 1, after + 1))


@pytest.mark.parametrize("length", [3, 12, 13, 40])
def test_a_long_cycle_is_told_by_its_ends_and_how_much_is_between(length: int) -> None:
    cycle = [str(n) for n in range(length)]
    shown = shown_cycle(cycle).split(" → ")
    if length <= 12:
        assert shown == cycle
    else:
        assert shown == [*cycle[:6], f"… {length - 12} more …", *cycle[-6:]]
