"""Forecasts of the end: speeds that are measured, list schedules of what is left, the page of how good they are."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.eta import BEGIN, END, PAGE, table
from epw.core.execution.state import ExecutionState
from epw.core.messages import AgentProgress
from epw.core.plan.graph import TaskGraph
from epw.core.plan.model import Plan
from epw.core.plan.validate import read_plan
from epw.core.report.eta import eta_of
from epw.core.report.history import empty_row, whole
from epw.core.report.model import ExecutionResult
from epw.core.report.so_far import Eta
from epw.core.schedule.speeds import Measurement, Speeds
from epw.core.schedule.time_left import TaskNow, TimeLeft, time_left
from tests.support import tasks


def plan_of(*rows: dict[str, Any], **more: Any) -> Plan:
    tasks = [{"description": "d", "run": "true", "estimatedMinutes": 10, **row} for row in rows]
    return read_plan({"maxAgents": 2, "tasks": tasks, **more})


def left_of(plan: Plan, **tasks: TaskNow) -> TimeLeft:
    return time_left(plan, TaskGraph.of_plan(plan), tasks)


def test_before_anything_is_measured_the_estimates_stand() -> None:
    found = left_of(plan_of({"id": "a"}))
    assert found.measured == 0
    assert found.middle == pytest.approx(10, rel=0.1)
    assert found.low < 6 < 17 < found.high


def test_tasks_go_on_as_fast_as_those_of_their_kind_went() -> None:
    went = [Measurement("fast", 10, 5)] * 20 + [Measurement("slow", 10, 30)] * 20
    speeds = Speeds(went)
    assert speeds.measured == 40
    assert speeds.median("fast", 10) == pytest.approx(5, rel=0.1)
    assert speeds.median("slow", 20) == pytest.approx(60, rel=0.1)
    assert speeds.median("other", 10) == pytest.approx(150**0.5, rel=0.1)
    assert speeds.doubt("other") > speeds.doubt("slow")


def test_large_tasks_are_told_from_small_ones() -> None:
    went = [Measurement("k", 2, 2)] * 20 + [Measurement("k", 40, 120)] * 20
    assert Speeds(went).median("k", 40) > 2 * 40
    assert Speeds(went).median("k", 2) < 1.5 * 2


def test_those_that_run_for_long_already_are_not_left_out() -> None:
    """Else the short tasks, which end first, would stand for all."""
    ended, running = [Measurement("k", 10, 10)] * 3, [Measurement("k", 10, 40, has_ended=False)] * 3
    assert Speeds(ended + running).median("k", 10) > 1.5 * Speeds(ended).median("k", 10)


def test_a_task_that_has_just_begun_says_nothing() -> None:
    ended, running = [Measurement("k", 10, 20)] * 5, [Measurement("k", 10, 0.1, has_ended=False)] * 5
    assert Speeds(ended + running).median("k", 10) == pytest.approx(Speeds(ended).median("k", 10), rel=0.02)


def test_what_an_agent_reports_counts_the_more_the_further_it_is() -> None:
    plan = plan_of({"id": "a", "estimatedMinutes": 60})
    early = left_of(plan, a=TaskNow("k", "running", elapsed=1, percent=10))
    late = left_of(plan, a=TaskNow("k", "running", elapsed=90, percent=90))
    assert early.middle > 2 * 9
    assert late.tasks["a"] < 15


def test_running_tasks_hold_agents_and_files_and_dependants_wait() -> None:
    plan = plan_of(
        {"id": "a"}, {"id": "b", "files": ["x"]}, {"id": "c", "files": ["x"]}, {"id": "d", "dependsOn": ["c"]}
    )
    b = TaskNow("k", "running", elapsed=5)
    found = left_of(plan, a=TaskNow("k", "ended", took=10, attempts=1), b=b)
    assert found.middle > 20
    assert list(found.tasks) == ["b"]
    none = left_of(plan, **{name: TaskNow("k", "ended") for name in "abcd"})
    assert (none.middle, none.low, none.high) == (0, 0, 0)


def test_waits_barriers_and_landings_take_their_time() -> None:
    plan = plan_of({"id": "a"}, {"id": "b"}, {"id": "c", "dependsOn": ["b"]}, atomic="batch")
    ended = TaskNow("k", "ended", took=10, attempts=1, afterwards=0)
    soon = left_of(plan, a=ended, b=TaskNow("k", "landing", attempts=1))
    later = left_of(plan, a=TaskNow("k", "open", attempts=1, waits=500), b=ended)
    assert soon.middle == pytest.approx(10, rel=0.3)
    assert later.middle > 500
    slow = left_of(plan, a=ended, b=TaskNow("k", "ended", took=10, attempts=1, afterwards=100))
    assert slow.middle > 50


def test_failed_attempts_so_far_are_expected_of_the_rest() -> None:
    plan = plan_of(*({"id": f"t{n}"} for n in range(40)))
    once = {f"t{n}": TaskNow("k", "ended", took=10, attempts=1) for n in range(20)}
    twice = {task: TaskNow("k", "ended", took=20, attempts=2) for task in once}
    assert left_of(plan, **twice).middle > 1.3 * left_of(plan, **once).middle


def test_thousands_of_tasks_are_bounded_in_draws() -> None:
    plan = plan_of(*({"id": f"t{n}"} for n in range(3000)), maxAgents=1000)
    assert left_of(plan).middle > 25


def eta(plan: Plan, rows: list[dict[str, Any]], live: list[AgentProgress], **more: Any) -> Eta | None:
    results = [{**empty_row(row["taskId"]), **row} for row in rows]
    short = {"status": "running", "executionId": "x", "results": [], **more}
    document: ExecutionResult = {**whole(short, "r"), "results": results}  # type: ignore[typeddict-item]
    return eta_of(document, plan, TaskGraph.of_plan(plan), {each.task_id: each for each in live}, 3_600_000)


def test_a_document_and_heartbeats_say_how_tasks_stand() -> None:
    plan = plan_of({"id": "a"}, {"id": "b"}, {"id": "c"}, {"id": "d", "dependsOn": ["b"]})
    done = {
        "taskId": "a",
        "status": "succeeded",
        "startedAt": 1,
        "finishedAt": 300_001,
        "duration": 300_000,
        "attempts": 1,
    }
    runs = {"taskId": "b", "status": "running", "attempts": 1}
    limited = {"taskId": "c", "status": "waiting", "waitingFor": "usage-limit", "waitingUntil": 3_600_000 + 86_400_000}
    live = AgentProgress(task_id="b", agent_id="agent-1", percent=50, elapsed_ms=200_000)
    found = eta(plan, [done, runs, limited, {"taskId": "d"}], [live])
    assert found is not None
    assert found["leftMs"] > 86_400_000
    assert found["measured"] == pytest.approx(1.5, abs=0.1)
    assert found["lowMs"] <= found["leftMs"] <= found["highMs"]
    assert 100_000 < found["tasks"]["b"] < 300_000
    ended = {"taskId": "a", "status": "cancelled"}
    assert eta(plan_of({"id": "a"}), [ended], []) is None


def test_while_only_a_person_is_waited_for_there_is_no_forecast() -> None:
    plan = plan_of({"id": "a"}, {"id": "b", "dependsOn": ["a"]}, {"id": "c"})
    asks = {"taskId": "a", "status": "waiting", "waitingFor": "question", "attempts": 1}
    done = {"taskId": "c", "status": "succeeded"}
    assert eta(plan, [asks, {"taskId": "b"}, done], []) is None
    assert eta(plan, [asks, {"taskId": "b"}, {"taskId": "c", "status": "running", "attempts": 1}], []) is not None
    ready = {"taskId": "c", "status": "ready"}
    assert eta(plan, [asks, {"taskId": "b"}, ready], []) is not None
    assert eta(plan, [asks, {"taskId": "b"}, ready], [], status="paused") is None


def test_estimates_that_nobody_gave_are_a_guess_until_something_was_measured() -> None:
    runs: list[dict[str, Any]] = [{"taskId": "a", "status": "running", "attempts": 1}, {"taskId": "b"}]
    bare = read_plan({"tasks": tasks({"id": "a", "run": "true"}, {"id": "b", "run": "true"})})
    guessed, given = eta(bare, runs, []), eta(plan_of({"id": "a"}, {"id": "b"}), runs, [])
    ended = [{**runs[0], "status": "succeeded", "duration": 300_000}, {"taskId": "b"}]
    measured = eta(bare, ended, [])
    assert [each is not None and each.get("guessed", False) for each in (guessed, given, measured)] == [
        True,
        False,
        False,
    ]


def test_the_number_of_agents_is_what_was_set_last() -> None:
    plan = plan_of(*({"id": f"t{n}"} for n in range(40)))
    rows = [{"taskId": f"t{n}"} for n in range(40)]
    entry = {"at": 1, "by": None, "action": "set_max_agents", "request": {"maxAgents": 20}, "outcome": "set"}
    two, twenty = eta(plan, rows, []), eta(plan, rows, [], steering=[entry])
    assert two is not None
    assert twenty is not None
    assert two["leftMs"] > 5 * twenty["leftMs"]


def test_rows_of_a_real_state_are_read() -> None:
    execution = ExecutionState(plan_of({"id": "a"}))
    assert [start.task_id for start in execution.starts(0)] == ["a"]
    found = eta(execution.plan, [{"taskId": "a", "status": "running", "attempts": 1, "startedAt": 3_000_000}], [])
    assert found is not None
    assert 0 < found["tasks"]["a"] < 1_200_000


def test_the_page_has_the_numbers_of_the_benchmark_and_nine_of_ten_are_close() -> None:
    text = PAGE.read_text()
    made = text[text.index(BEGIN) + len(BEGIN) : text.index(END, text.index(BEGIN))]
    assert made.startswith(table()), "run `python -m benchmarks.eta --write`"
    close = int(made.split("Within 15 %: ")[1].split()[0])
    assert close >= 18
