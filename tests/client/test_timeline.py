"""The timeline of an execution, from histories that were recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from epw.core.messages import RUN_TASK
from epw.core.report.diffs import MAX_LINE_LENGTH, fair_shares, shown_diffs
from epw.core.report.history import whole
from epw.core.report.report import Report
from epw.core.report.timeline import ActivityRun, timeline
from tests.rendering.reports import HISTORIES, recorded
from tests.workflows.test_replay import HISTORIES as PATHS


def attempts(report: Report) -> list[tuple[str | None, str | None, str]]:
    return [(each["taskId"], each["agentId"], each["what"]) for each in report["timeline"] if each["lane"] == "agent"]


@pytest.mark.parametrize("name", [path.stem for path in PATHS if path.stem != "invalid" and path.parent == HISTORIES])
async def test_agents_do_one_thing_at_a_time_and_the_time_adds_up(name: str, tmp_path: Path) -> None:
    """The model of reports is checked when a report is made for a test."""
    report = await recorded(name, tmp_path)
    busy: dict[str, int] = {}
    for each in report["timeline"]:
        assert each["end"] is not None
        assert report["startedAt"] <= each["start"] <= each["end"] <= (report["endedAt"] or 0)
        if each["lane"] == "agent" and each["agentId"]:
            assert each["start"] >= busy.get(each["agentId"], 0)
            busy[each["agentId"]] = each["end"]
    worked = {row["taskId"] for row in report["result"]["results"] if row["attempts"]}
    assert {task_id for task_id, _, _ in attempts(report)} == worked


async def test_a_rerun_after_a_conflict_is_an_attempt_of_its_own(tmp_path: Path) -> None:
    report = await recorded("conflict_retried", tmp_path)
    assert attempts(report)[2:] == [("b", "agent-3", "completed")]
    assert sorted(attempts(report)[:2]) == [("a", "agent-1", "completed"), ("b", "agent-2", "completed")]
    steps = [each["what"] for each in report["timeline"] if each["lane"] == "epw"]
    assert steps == ["prepare", "land", "land", "land", "deliver"]


async def test_a_question_is_a_wait_between_two_attempts(tmp_path: Path) -> None:
    report = await recorded("question_answered", tmp_path)
    assert attempts(report) == [("asks", "agent-1", "question"), ("asks", "agent-1", "completed")]
    (wait,) = [each for each in report["timeline"] if each["lane"] == "wait"]
    first, second = (each for each in report["timeline"] if each["lane"] == "agent")
    assert wait["what"] == "question"
    assert (first["end"] or 0) <= wait["start"] < (wait["end"] or 0) <= second["start"]


async def test_a_usage_limit_is_a_wait_that_ends_with_the_execution(tmp_path: Path) -> None:
    report = await recorded("usage_limited", tmp_path)
    (wait,) = [each for each in report["timeline"] if each["lane"] == "wait"]
    assert (wait["what"], wait["taskId"], wait["end"]) == ("usageLimit", "waits", report["endedAt"])
    assert report["plan"]["tasks"][0]["model"] == "claude-sonnet-5-5"


async def test_a_failed_attempt_is_told_from_the_one_after_it(tmp_path: Path) -> None:
    report = await recorded("aggressive_partial", tmp_path)
    assert {what for _, _, what in attempts(report)} == {"completed", "failed"}


@pytest.mark.parametrize("name", ["cancelled", "conservative_rolled_back", "steered"])
async def test_an_attempt_that_was_stopped_has_not_failed(name: str, tmp_path: Path) -> None:
    assert {what for task, _, what in attempts(await recorded(name, tmp_path)) if task == "slow"} == {"cancelled"}


def test_short_diffs_are_whole_and_long_ones_share_what_is_left() -> None:
    assert fair_shares([5, 1000, 3, 400], 100) == [5, 46, 3, 46]
    assert fair_shares([5, 3], 100) == [5, 3]
    assert fair_shares([], 100) == []
    assert sum(fair_shares([7] * 10, 65)) <= 65


def test_a_diff_is_cut_with_the_number_of_its_lines() -> None:
    (found,) = shown_diffs({"a": b"+x\n" * 50, "empty": b""}, most=20)
    assert (found["taskId"], found["lines"], found["shown"], found["text"].count("\n")) == ("a", 50, 20, 19)


def test_a_line_of_a_generated_file_is_cut_and_bytes_are_shown() -> None:
    (found,) = shown_diffs({"a": b"+" + b"x" * 100_000 + b"\n+\xe9\n"})
    first, second = found["text"].split("\n")
    assert (len(first), second) == (MAX_LINE_LENGTH + 1, "+\\xe9")


def test_of_an_attempt_with_lost_runs_only_the_one_that_has_told_is_an_agents_time() -> None:
    told = {"startedAt": 31_000, "durationMs": 2_000, "awayFrom": 4_000, "awayUntil": 30_000}
    lost = ActivityRun(RUN_TASK, 1_000, {"taskId": "a"}, started=30_900, runs=2, ended=40_000, details=told)
    later = ActivityRun(RUN_TASK, 40_000, {"taskId": "b"}, runs=2, waits=True)
    document = whole({"executionId": "x", "status": "running"}, "run")
    found = [
        (each["lane"], each["what"], each["start"], each["end"]) for each in timeline([lost, later], document, None)
    ]
    assert found == [
        ("wait", "host", 4_000, 30_000),
        ("agent", "running", 31_000, 33_000),
        ("wait", "host", 40_000, None),
    ]
