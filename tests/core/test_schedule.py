"""The list scheduler against known numbers, and for any plan against the invariants I1 to I6."""

from __future__ import annotations

import heapq
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from epw.core.execution.state import ExecutionState
from epw.core.execution.task_state import TERMINAL
from epw.core.globs import may_overlap
from epw.core.messages import Failure, TaskOutcome
from epw.core.plan.graph import TaskGraph
from epw.core.plan.validate import read_plan
from epw.core.report.metrics import metrics
from epw.core.schedule.prediction import Slot, makespan, predict
from epw.core.schedule.scheduler import Scheduler, batches

CASES = json.loads((Path(__file__).parents[1] / "plans" / "cases.json").read_text())


def graph_of(tasks: list[dict[str, Any]]) -> TaskGraph:
    return TaskGraph(
        {task["id"]: task.get("dependsOn", []) for task in tasks},
        {task["id"]: task["estimatedMinutes"] for task in tasks},
    )


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_plans_with_known_numbers(case: dict[str, Any]) -> None:
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


def test_a_batch_has_the_tasks_of_one_level_with_the_longest_paths_and_ties_by_plan_order() -> None:
    minutes = {"a": 1, "b": 5, "c": 2, "d": 5, "e": 9, "f": 1}
    graph = TaskGraph({"a": [], "b": [], "c": [], "d": [], "e": ["a"], "f": ["b"]}, minutes)
    assert batches(graph, 2) == [["a", "b"], ["d", "c"], ["e", "f"]]
    assert batches(graph, 9) == [["a", "b", "d", "c"], ["e", "f"]]


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


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plans(), st.randoms(use_true_random=False))
def test_any_execution_keeps_the_invariants(document: dict[str, Any], random: Any) -> None:
    """Drives the execution as the workflow does, with agents that end, fail and ask in any order."""
    plan = read_plan(document)
    execution, clock, running = ExecutionState(plan), 0, list[tuple[int, str]]()
    files = {task.id: task.files for task in plan.tasks}
    while not execution.finished:
        for start in execution.starts(clock):
            for before in execution.graph.dependencies[start.task_id]:
                assert execution.tasks[before].status == "succeeded", "I1"
            for _, other in running:
                assert not any(may_overlap(a, b) for a in files[start.task_id] for b in files[other]), "files"
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
        answered_at = clock + random.randint(1, 30)
        if waiting and (not running or (answered_at < running[0][0] and random.random() < 0.5)):
            clock = answered_at
            execution.answered(waiting[0], "yes", clock)
            continue
        ready = execution.with_status("ready")
        assert running, f"nothing runs, and {ready} could"
        clock = running[0][0]
        while running and running[0][0] == clock:
            _, task = heapq.heappop(running)
            fate = random.random()
            kind = "completed" if fate < 0.7 else "failed" if fate < 0.85 else "question"
            worked = clock - execution.tasks[task].since
            outcome = TaskOutcome.model_validate({"kind": kind, "durationMs": worked})
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
    assert found["scheduleDuration"] == found["totalDuration"], "nothing but agents and people took time"
    assert not found["coordinationOverhead"]
    assert found["peakConcurrency"] <= plan.max_agents, "I2"
    assert found["sequentialDuration"] == sum(state.duration_ms for state in states), "I6"
    if found["actualSpeedup"] is not None and not any(end > start for start, end in execution.idle.intervals):
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


def _started(scheduler: Scheduler) -> list[str]:
    """Everything that can start now, in order."""
    found = []
    while (start := scheduler.next_start()) is not None:
        found.append(start[0])
    return found


def _end(scheduler: Scheduler, *tasks: str) -> None:
    for task in tasks:
        scheduler.release_agent(task)
        scheduler.release_files(task)
        scheduler.landed(task)
        scheduler.close(task)


def _free(*names: str) -> TaskGraph:
    """Tasks of a minute without dependencies."""
    return TaskGraph({name: [] for name in names}, dict.fromkeys(names, 1.0))


def test_a_schedule_says_where_and_when_each_task_runs() -> None:
    graph = TaskGraph({"a": [], "b": [], "c": ["a", "b"], "d": []}, {"a": 3, "b": 1, "c": 2, "d": 1})
    assert predict(graph, 2) == [Slot("a", 1, 0, 3), Slot("b", 2, 0, 1), Slot("d", 2, 1, 2), Slot("c", 2, 3, 5)]
    measured = {"a": 1.0, "b": 1.5, "c": 0.5, "d": 4.0}
    assert predict(graph, 2, measured) == [
        *(Slot("a", 1, 0, 1), Slot("b", 2, 0, 1.5), Slot("d", 1, 1, 5)),
        Slot("c", 2, 1.5, 2),
    ], "the order is that of the estimates, the times are those that were measured"


def test_nothing_takes_no_time() -> None:
    assert predict(_free(), 2) == []
    assert makespan([]) == 0


def test_the_makespan_is_the_end_of_what_ends_last_not_of_what_starts_last() -> None:
    assert makespan([Slot("a", 1, 0, 9), Slot("b", 2, 1, 3)]) == 9


def test_of_ready_tasks_the_one_with_the_longest_rest_of_the_graph_goes_first() -> None:
    graph = TaskGraph({"a": [], "b": [], "c": [], "d": ["b"]}, {"a": 3, "b": 1, "c": 3, "d": 4})
    assert [slot.task_id for slot in predict(graph, 1)] == ["b", "d", "a", "c"]


def test_a_task_waits_for_all_that_it_depends_on_and_its_readiness_is_told_once() -> None:
    scheduler = Scheduler(TaskGraph({"a": [], "b": [], "c": ["a", "b"], "d": ["a"]}, dict.fromkeys("abcd", 1.0)), 4)
    assert _started(scheduler) == ["a", "b"]
    assert scheduler.landed("a") == ["d"]
    assert _started(scheduler) == ["d"]
    assert scheduler.landed("b") == ["c"]
    assert _started(scheduler) == ["c"]
    assert scheduler.landed("c") == []


def test_an_agent_works_at_one_task_at_a_time_and_takes_the_next_when_it_is_free() -> None:
    scheduler = Scheduler(_free("a", "b", "c"), 2)
    assert (scheduler.next_start(), scheduler.next_start(), scheduler.next_start()) == (("a", 1), ("b", 2), None)
    assert (scheduler.running, scheduler.agent_of("b"), scheduler.agent_of("c")) == (2, 2, None)
    scheduler.release_agent("b")
    assert (scheduler.running, scheduler.agent_of("b")) == (1, None)
    assert scheduler.next_start() == ("c", 2)


def test_without_agents_nothing_starts_until_some_come() -> None:
    scheduler = Scheduler(_free("a", "b", "c"), 0)
    assert scheduler.next_start() is None
    scheduler.set_max_agents(2)
    assert (scheduler.next_start(), scheduler.next_start(), scheduler.next_start()) == (("a", 1), ("b", 2), None)


def test_however_often_the_number_of_agents_changes_theirs_are_the_numbers_up_to_it() -> None:
    scheduler = Scheduler(_free(*(f"{n:02}" for n in range(99))), 2)
    for agents in (3, 1, 4, 4, 2, 5):
        scheduler.set_max_agents(agents)
        for _ in range(2):
            started = _started(scheduler)
            assert sorted(scheduler.agent_of(task) or 0 for task in started) == list(range(1, agents + 1))
            _end(scheduler, *started)


def test_what_is_abandoned_never_starts_and_the_rest_does() -> None:
    graph = TaskGraph({"a": [], "b": [], "c": ["b"], "d": []}, {"a": 9, "b": 8, "c": 1, "d": 2})
    scheduler = Scheduler(graph, 9)
    scheduler.abandon("a")
    assert _started(scheduler) == ["b", "d"]
    scheduler.abandon("c")
    assert scheduler.landed("b") == []
    scheduler.requeue("a")
    assert _started(scheduler) == []


def test_a_task_that_waits_for_files_is_held_until_they_are_free_and_holds_no_other_up() -> None:
    scheduler = Scheduler(_free("a", "b", "c", "d"), 3, files={"a": ["x"], "b": ["x", "y"], "d": ["y"]})
    assert scheduler.held == []
    assert (_started(scheduler), scheduler.held) == (["a", "c", "d"], ["b"])
    _end(scheduler, "c")
    scheduler.release_agent("a")
    assert (_started(scheduler), scheduler.held) == ([], ["b"]), "an agent is free, the files are not"
    scheduler.release_files("a")
    assert (_started(scheduler), scheduler.held) == ([], ["b"]), "it wants both"
    scheduler.release_files("d")
    assert (_started(scheduler), scheduler.held) == (["b"], [])


def test_of_those_that_wait_for_files_the_first_by_rank_gets_them() -> None:
    scheduler = Scheduler(_free("a", "b", "c"), 3, {"a": 2, "c": 1}, {name: ["x"] for name in "abc"})
    assert _started(scheduler) == ["a"]
    assert scheduler.held == ["c", "b"]
    _end(scheduler, "a")
    assert (_started(scheduler), scheduler.held) == (["c"], ["b"])


def test_what_is_abandoned_waits_for_no_files_any_more() -> None:
    scheduler = Scheduler(_free("a", "b", "c"), 3, files={name: ["x"] for name in "abc"})
    assert _started(scheduler) == ["a"]
    scheduler.abandon("b")
    assert scheduler.held == ["c"]
    _end(scheduler, "a")
    assert _started(scheduler) == ["c"]


def test_a_task_that_runs_again_has_the_files_that_it_turned_out_to_need_to_itself() -> None:
    scheduler = Scheduler(_free("a", "b"), 2, {"a": 1}, files={"b": ["y"]})
    assert scheduler.next_start() == ("a", 1)
    scheduler.release_agent("a")
    scheduler.requeue("a", ["y"])
    assert _started(scheduler) == ["a"]
    assert scheduler.held == ["b"]
    _end(scheduler, "a")
    assert _started(scheduler) == ["b"]


def test_what_runs_again_keeps_its_rank() -> None:
    scheduler = Scheduler(_free("a", "b", "c"), 1)
    assert scheduler.next_start() == ("a", 1)
    scheduler.release_agent("a")
    scheduler.requeue("a")
    assert scheduler.next_start() == ("a", 1)


def _levelled(agents: int) -> Scheduler:
    """a and b, then c (after a) and d (after b), then e (after c)."""
    graph = TaskGraph({"a": [], "b": [], "c": ["a"], "d": ["b"], "e": ["c"]}, dict.fromkeys("abcde", 1.0))
    return Scheduler(graph, agents, levels=graph.level)


def test_with_levels_nothing_starts_before_all_of_the_level_below_has_its_end() -> None:
    scheduler = _levelled(5)
    assert _started(scheduler) == ["a", "b"]
    _end(scheduler, "a")
    assert _started(scheduler) == []
    _end(scheduler, "b")
    assert _started(scheduler) == ["c", "d"]
    _end(scheduler, "c")
    assert _started(scheduler) == []
    _end(scheduler, "d")
    assert _started(scheduler) == ["e"]
    _end(scheduler, "e")
    assert _started(scheduler) == []


def test_a_task_has_its_end_once() -> None:
    scheduler = _levelled(5)
    assert _started(scheduler) == ["a", "b"]
    _end(scheduler, "a")
    scheduler.close("a")
    scheduler.close("unknown")
    assert _started(scheduler) == []
    _end(scheduler, "b")
    assert _started(scheduler) == ["c", "d"]


def test_a_level_of_which_nothing_can_start_is_passed_by() -> None:
    scheduler = Scheduler(_free("a", "b", "c", "d"), 5, levels={"a": 0, "b": 1, "c": 2, "d": 3})
    assert _started(scheduler) == ["a"]
    for task in ("b", "c"):
        scheduler.abandon(task)
        scheduler.close(task)
    assert _started(scheduler) == []
    _end(scheduler, "a")
    assert _started(scheduler) == ["d"]


def test_a_level_opens_though_none_of_its_tasks_was_ready_before() -> None:
    scheduler = _levelled(5)
    assert _started(scheduler) == ["a", "b"]
    for task in "ab":
        scheduler.close(task)
    assert _started(scheduler) == []
    assert scheduler.landed("b") == ["d"]
    assert _started(scheduler) == ["d"]


def test_what_runs_again_in_an_open_level_starts_at_once() -> None:
    scheduler = _levelled(1)
    assert _started(scheduler) == ["a"]
    scheduler.release_agent("a")
    scheduler.requeue("a")
    assert _started(scheduler) == ["a"]


def test_a_task_without_a_level_waits_for_none() -> None:
    scheduler = Scheduler(_free("a", "b", "c"), 5, levels={"a": 0, "b": 1})
    assert _started(scheduler) == ["a", "c"]


def test_the_prediction_knows_barriers() -> None:
    graph = TaskGraph({"a": [], "b": [], "c": ["a"], "d": ["b"]}, {"a": 1, "b": 3, "c": 3, "d": 1})
    assert makespan(predict(graph, 2)) == 4
    assert makespan(predict(graph, 2, levels=graph.level)) == 6


def test_what_waits_for_files_is_told_once() -> None:
    scheduler = Scheduler(_free("a", "b", "c"), 3, files={"a": ["x"], "b": ["x"], "c": ["x"]})
    assert (_started(scheduler), scheduler.newly_held()) == (["a"], ["b", "c"])
    assert (_started(scheduler), scheduler.newly_held()) == ([], [])
    _end(scheduler, "a")
    assert (_started(scheduler), scheduler.held, scheduler.newly_held()) == (["b"], ["c"], [])
