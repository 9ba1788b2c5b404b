"""Metrics: waits are no overhead, hazards and reruns are counted, the critical path is the measured one."""

from __future__ import annotations

from typing import Any

from epw.core import failures
from epw.core.execution.reported_waits import HOST, RESOURCES, ReportedWaits
from epw.core.execution.state import ExecutionState
from epw.core.execution.task_steering import TaskSteering
from epw.core.messages import Failure, MergeContext, TaskOutcome
from epw.core.plan.validate import read_plan
from epw.core.report import result
from epw.core.report.metrics import metrics


def _execution(*rows: dict[str, Any], agents: int = 2) -> ExecutionState:
    tasks = [{"description": "d", "run": "true", **row} for row in rows]
    return ExecutionState(read_plan({"maxAgents": agents, "tasks": tasks}))


def _started(execution: ExecutionState, now: int) -> list[str]:
    found = [start.task_id for start in execution.starts(now)]
    execution.observe(now)
    return found


def _worked(ms: int, **fields: Any) -> TaskOutcome:
    return TaskOutcome.model_validate({"kind": "completed", "durationMs": ms, **fields})


def test_a_wait_for_a_person_beside_running_agents_is_no_overhead() -> None:
    execution = _execution({"id": "a"}, {"id": "b"})
    assert _started(execution, 0) == ["a", "b"]
    execution.wait_for("question", "a", _worked(1_000, kind="question"), 1_000)
    execution.completed("b", _worked(60_000), 60_000)
    execution.answered("a", "yes", 60_000)
    assert _started(execution, 60_000) == ["a"]
    execution.completed("a", _worked(30_000), 90_000)
    found = metrics(execution, 90_000, 0)
    assert (found["scheduleDuration"], found["efficiency"], found["coordinationOverhead"]) == (90_000, 1, 0)


def test_a_wait_for_a_rate_limit_within_an_attempt_is_no_overhead_and_no_work() -> None:
    execution = _execution({"id": "a"})
    assert _started(execution, 0) == ["a"]
    execution.completed("a", _worked(4_000, limitedMs=6_000), 10_000)
    found = metrics(execution, 10_000, 0)
    assert (found["sequentialDuration"], found["scheduleDuration"], found["coordinationOverhead"]) == (4_000, 10_000, 0)


def test_a_pause_is_no_overhead_though_agents_run_in_it() -> None:
    execution = _execution({"id": "a"}, {"id": "b"}, {"id": "c"})
    assert _started(execution, 0) == ["a", "b"]
    execution.paused = True
    assert _started(execution, 500) == []
    execution.completed("a", _worked(1_000), 1_000)
    assert _started(execution, 1_000) == []
    execution.completed("b", _worked(9_000), 9_000)
    assert _started(execution, 9_000) == []
    execution.paused = False
    assert _started(execution, 20_000) == ["c"]
    execution.completed("c", _worked(1_000), 21_000)
    execution.observe(21_000)
    found = metrics(execution, 21_000, 0)
    assert (found["totalDuration"], found["scheduleDuration"], found["coordinationOverhead"]) == (10_000, 10_000, 0)


def test_what_is_neither_work_nor_a_wait_is_overhead() -> None:
    execution = _execution({"id": "a"}, {"id": "b", "dependsOn": ["a"]})
    assert _started(execution, 0) == ["a"]
    execution.completed("a", _worked(3_000), 5_000)
    assert _started(execution, 5_000) == ["b"]
    execution.completed("b", _worked(5_000), 10_000)
    assert metrics(execution, 10_000, 0)["coordinationOverhead"] == 0.2


def test_time_without_a_worker_is_no_overhead_and_counts_once() -> None:
    execution = _execution({"id": "a"}, {"id": "b"})
    assert _started(execution, 0) == ["a", "b"]
    execution.completed("a", _worked(2_000, startedAt=7_500, awayFrom=1_000, awayUntil=7_000), 10_000)
    execution.completed("b", _worked(2_000, startedAt=7_500, awayFrom=2_000, awayUntil=7_000), 10_000)
    found = metrics(execution, 10_000, 0)
    assert (found["awayMs"], found["totalDuration"], found["coordinationOverhead"]) == (6_000, 4_000, 0.5)


def test_while_one_attempt_is_known_to_have_run_there_was_a_worker() -> None:
    execution = _execution({"id": "a"}, {"id": "b"})
    assert _started(execution, 0) == ["a", "b"]
    execution.completed("a", _worked(3_000, startedAt=2_000), 5_000)
    execution.completed("b", _worked(1_000, startedAt=8_000, awayFrom=1_000, awayUntil=7_000), 9_000)
    assert metrics(execution, 9_000, 0)["awayMs"] == 3_000


def test_an_attempt_that_no_worker_took_is_none_and_what_it_waited_is_no_overhead() -> None:
    execution = _execution({"id": "a"}, {"id": "b"})
    waits = ReportedWaits(execution, HOST)
    assert _started(execution, 0) == ["a", "b"]
    execution.completed("b", _worked(1_000, startedAt=500), 2_000)
    waits.report("", ["a"], 7_000, since={"a": 100})
    waits.note_taken(["a"], [])
    row = result.row(execution.tasks["a"], execution)
    assert (row["attempts"], row["startedAt"]) == (0, None)
    execution.cancelled("a", None, 150_000)
    row = result.row(execution.tasks["a"], execution)
    assert (row["status"], row["attempts"], row["startedAt"], row["waitedMs"]["host"]) == (
        "cancelled",
        0,
        None,
        149_900,
    )
    found = metrics(execution, 150_000, 0)
    assert (found["awayMs"], found["totalDuration"]) == (148_500, 1_500)
    assert (found["agentsUsed"], found["retryCount"]) == (1, 0)


def test_an_attempt_that_a_worker_has_lost_and_that_waits_for_another_has_been_one() -> None:
    execution = _execution({"id": "a"})
    waits = ReportedWaits(execution, HOST)
    assert _started(execution, 0) == ["a"]
    waits.report("", ["a"], 40_000, since={"a": 30_000})
    waits.note_taken(["a"], ["a"])
    execution.cancelled("a", None, 50_000)
    row = result.row(execution.tasks["a"], execution)
    assert (row["attempts"], row["startedAt"], row["waitedMs"]["host"]) == (1, 0, 20_000)


def test_a_task_that_runs_again_after_an_attempt_that_nobody_took_has_that_of_its_agent_alone() -> None:
    execution = _execution({"id": "a"})
    assert _started(execution, 0) == ["a"]
    execution.tasks["a"].taken = False
    execution.cancelled("a", None, 3_000)
    execution.retrying["a"] = None
    TaskSteering(execution).restart(4_000)
    assert _started(execution, 4_000) == ["a"]
    execution.completed("a", _worked(1_000, startedAt=4_100), 5_200)
    row = result.row(execution.tasks["a"], execution)
    assert (row["attempts"], row["startedAt"], row["waitedMs"]["host"]) == (1, 4_000, 3_000)
    assert metrics(execution, 5_200, 0)["retryCount"] == 0


def test_time_in_which_the_git_url_was_waited_for_is_no_overhead() -> None:
    execution = _execution({"id": "a"})
    assert _started(execution, 0) == ["a"]
    execution.url_away += [(1_000, 60_000), (3_000, 65_000)]
    execution.completed("a", _worked(1_000, startedAt=500), 66_000)
    found = metrics(execution, 66_000, 0)
    assert (found["urlAwayMs"], found["awayMs"], found["totalDuration"]) == (63_500, 0, 2_500)


def test_changes_from_one_run_to_the_next_are_no_time_without_a_worker() -> None:
    execution = _execution({"id": "a"}, {"id": "b"}, agents=1)
    execution.worked += [(0, 5_000), (5_800, 9_000)]
    execution.away.append((100, 12_000))
    assert metrics(execution, 12_000, 0)["awayMs"] == 3_000


def test_an_attempt_of_which_nobody_has_told_how_long_it_took_counts_as_no_time_of_an_agent() -> None:
    execution = _execution({"id": "a"}, {"id": "b"})
    assert _started(execution, 0) == ["a", "b"]
    execution.cancelled("a", None, 14_600)
    execution.attempt_failed("b", Failure.of(failures.POISON, "3 workers died while this task ran"), None, 14_600)
    assert metrics(execution, 14_600, 0)["sequentialDuration"] == 0


def test_what_a_person_had_run_again_is_counted() -> None:
    execution = _execution({"id": "a"})
    assert _started(execution, 0) == ["a"]
    execution.completed("a", _worked(1_000), 1_000)
    steering = TaskSteering(execution)
    steering.begin_retry("a", None, 1_000)
    steering.restart(1_000)
    found = metrics(execution, 1_000, 0)
    assert (found["askedRetryCount"], found["retryCount"], found["rerunCount"]) == (1, 0, 0)


def test_tasks_that_share_files_are_not_expected_to_run_at_once() -> None:
    execution = _execution({"id": "a", "files": ["x"]}, {"id": "b", "files": ["x"]})
    assert _started(execution, 0) == ["a"]
    execution.completed("a", _worked(5_000), 5_000)
    assert _started(execution, 5_000) == ["b"]
    execution.completed("b", _worked(5_000), 10_000)
    found = metrics(execution, 10_000, 0)
    assert (found["efficiency"], found["estimatedSpeedup"]) == (1, 1)


def test_the_critical_path_is_by_measured_durations_once_all_has_ended() -> None:
    rows = ({"id": "a", "estimatedMinutes": 60}, {"id": "b"}, {"id": "c", "dependsOn": ["b"]})
    execution = _execution(*rows)
    assert _started(execution, 0) == ["a", "b"]
    assert metrics(execution, 1, 0)["criticalPath"] == ["a"]
    execution.completed("a", _worked(1_000), 1_000)
    execution.completed("b", _worked(4_000), 4_000)
    assert _started(execution, 4_000) == ["c"]
    execution.completed("c", _worked(3_000), 7_000)
    assert metrics(execution, 7_000, 0)["criticalPath"] == ["b", "c"]


def test_reruns_after_conflicts_and_hazards_are_counted_apart_from_retries() -> None:
    execution = _execution({"id": "a"})
    assert _started(execution, 0) == ["a"]
    execution.completed("a", _worked(1_000), 1_000)
    execution.run_again("a", MergeContext(description="d", paths=[], sides=[]), 1_000)
    found = metrics(execution, 1_000, 0, 2)
    assert (found["rerunCount"], found["retryCount"], found["hazardCount"]) == (1, 0, 2)


def test_runs_that_ended_with_their_worker_are_counted_apart() -> None:
    execution = _execution({"id": "a"}, {"id": "b"})
    assert _started(execution, 0) == ["a", "b"]
    execution.completed("a", _worked(1_000, lostRuns=2), 5_000)
    execution.completed("b", _worked(1_000), 5_000)
    found = metrics(execution, 5_000, 0)
    assert (found["lostRunCount"], found["retryCount"], found["rerunCount"]) == (2, 0, 0)


def test_an_attempt_that_waits_for_a_slot_of_its_worker_is_not_at_work() -> None:
    execution = _execution({"id": "a"}, {"id": "b"}, {"id": "c"}, agents=3)
    assert _started(execution, 1_000) == ["a", "b", "c"]
    execution.completed("a", _worked(4_000, startedAt=1_000), 5_000)
    execution.completed("b", _worked(4_000, startedAt=1_000, crowdedMs=4_000), 9_000)
    execution.completed("c", _worked(4_000, startedAt=9_000), 13_000)
    assert metrics(execution, 13_000, 0)["peakConcurrency"] == 1
    assert [execution.tasks[each].started_at for each in "abc"] == [1_000, 5_000, 9_000]


def test_agents_under_way_are_at_work_and_those_that_wait_or_never_began_are_not() -> None:
    execution = _execution({"id": "a"}, {"id": "b"}, {"id": "c"}, {"id": "d"}, agents=4)
    assert _started(execution, 1_000) == ["a", "b", "c", "d"]
    ReportedWaits(execution, RESOURCES).report("worker", ["c"], 2_000)
    execution.cancelled("d", None, 3_000)
    assert metrics(execution, 3_000, 0)["peakConcurrency"] == 2
