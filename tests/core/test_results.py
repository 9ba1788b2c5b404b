"""The result document: its keys and values, its short form in the history, and its schema."""

from __future__ import annotations

import json
import random
from datetime import UTC
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError
from temporalio.client import WorkflowExecutionStatus, WorkflowHistory

from epw.client.documents import expanded
from epw.core.execution.state import ExecutionState
from epw.core.messages import Failure, TaskOutcome, Usage
from epw.core.plan.model import Plan
from epw.core.report.history import (
    MAX_ROWS_IN_HISTORY,
    empty_row,
    from_history,
    short_row,
    whole,
    whole_row,
    within_bounds,
)
from epw.core.report.model import ExecutionResult
from epw.core.report.result import row
from epw.service.replay import document_of_history
from epw.settings import Settings
from tests.support import tasks
from tests.workflows.test_replay import HISTORIES

RESULT = TypeAdapter(ExecutionResult)
RECORDED = {path.stem: path for path in HISTORIES if path.stem != "invalid"}
EXPECTED = Path(__file__).parents[1] / "results"
"""Documents of recorded histories, as they were before results had a model."""
TOP = {
    *("success", "status", "executionId", "results", "conflicts", "questions", "steering", "metrics", "delivery"),
    "landingOrder",
}
ROW = {"taskId", "agentId", "success", "status", "landed", "attempts", "commit", "error"}
WHOLE_ROW = {
    *ROW,
    *("startedAt", "finishedAt", "duration", "summary", "sandbox", "peakMemoryMB", "cpuSeconds", "throttledSeconds"),
    *("processes", "writtenMB", "leftBehind", "usage", "waitedMs", "changes", "filesModified", "kept"),
}
CONFLICT = {
    *("id", "type", "kind", "severity", "agents", "tasks", "description", "affectedResources", "paths", "commit"),
    *("detectionMethod", "resolutionOptions", "resolution", "decidedBy", "intents"),
}


async def short(name: str) -> dict[str, Any]:
    history = WorkflowHistory.from_json(f"recorded-{name}", RECORDED[name].read_text())
    last = history.events[-1].event_time.ToDatetime(tzinfo=UTC)
    found = await document_of_history(history, int(last.timestamp() * 1000))
    assert found is not None
    return found


def complete(home: Path, document: dict[str, Any], status: WorkflowExecutionStatus) -> dict[str, Any]:
    run = SimpleNamespace(workflow_execution_info=SimpleNamespace(first_run_id="r"))
    described: Any = SimpleNamespace(id=document["executionId"], run_id="r", status=status, raw_description=run)
    return {**expanded(Settings(home), document, described)}


@pytest.mark.parametrize("name", sorted(path.stem for path in EXPECTED.glob("*.json")))
async def test_a_recorded_execution_has_the_document_it_had(name: str, tmp_path: Path) -> None:
    expected = json.loads((EXPECTED / f"{name}.json").read_text())
    found = await short(name)
    _drop_newer_options(found, expected["short"])
    _drop_newer_metrics(found, expected)
    assert found == expected["short"] | {"steering": found["steering"]}
    whole_one = complete(tmp_path, found, WorkflowExecutionStatus.COMPLETED)
    assert whole_one == expected["whole"] | {"steering": found["steering"]}


def _drop_newer_metrics(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Drop the metrics that were added or defined anew after the recording."""
    schedule = ("scheduleDuration", "efficiency", "coordinationOverhead", "criticalPath")
    total = ("totalDuration", "actualSpeedup")
    for document in (found, expected["short"], expected["whole"]):
        for name in (*schedule, *total, "rerunCount", "hazardCount", "askedRetryCount", "lostRunCount", "awayMs"):
            (document["metrics"] or {}).pop(name, None)


def _drop_newer_options(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Drop the options of conflict steps that were added after the recording, and the name of the step."""
    for conflict, recorded in zip(found["conflicts"], expected["conflicts"], strict=True):
        options = recorded["resolutionOptions"]
        unnamed = [{key: each[key] for key in each if key != "step"} for each in conflict["resolutionOptions"]]
        conflict["resolutionOptions"] = [each for each in unnamed if each in options]


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("status", [WorkflowExecutionStatus.COMPLETED, WorkflowExecutionStatus.TERMINATED])
async def test_the_document_of_every_recorded_history_fits_the_model(
    name: str, status: WorkflowExecutionStatus, tmp_path: Path
) -> None:
    RESULT.validate_python(complete(tmp_path, await short(name), status))


async def test_the_keys_of_a_document(tmp_path: Path) -> None:
    found = await short("conflict_retried")
    assert set(found) == TOP
    assert set(found["results"][0]) == ROW | {
        "startedAt",
        "finishedAt",
        "duration",
        "sandbox",
        "cpuSeconds",
        "waitedMs",
    }
    assert set(found["conflicts"][0]) == CONFLICT | {"tried", "overwrote"}
    document = complete(tmp_path, found, WorkflowExecutionStatus.COMPLETED)
    assert set(document) == TOP | {"runId"}
    assert all(set(each) == WHOLE_ROW for each in document["results"])
    assert set(document["conflicts"][0]) == CONFLICT | {"tried", "overwrote", "hunks"}
    assert set(document["delivery"]) - set(found["delivery"]) == {"files"}


def test_a_row_comes_back_whole_from_the_history() -> None:
    execution = ExecutionState(Plan.model_validate({"tasks": tasks({"id": "a"}, {"id": "b"}), "agent": "command"}))
    (start, _) = execution.starts(1)
    usage = Usage(requests=2, input_tokens=3, output_tokens=4, cost_usd=0.0)
    outcome = TaskOutcome(kind="failed", usage=usage, warnings=["w"], final=True, duration_ms=7, limited_ms=9)
    execution.attempt_failed(start.task_id, Failure(type="TimeLimit", message="late"), outcome, 5)
    for state in execution.tasks.values():
        document = row(state, execution)
        brief = short_row(document)
        assert len(brief) < len(document) / 1.5
        again = whole_row(json.loads(json.dumps(brief)))
        absent = {name for name, value in document.items() if not value} - set(again)
        assert again == {name: value for name, value in document.items() if name not in absent}
        assert absent <= {"notEnforced", "retries", "reused", "simulated", "warnings"}
    failed = whole_row(short_row(row(execution.tasks["a"], execution)))
    assert failed["error"] == {
        "type": "TimeLimit",
        "message": "late",
        "attempt": 1,
        "context": {
            "taskId": "a",
            "attempt": 1,
            "command": None,
            "output": None,
            "log": None,
            "savedCommit": None,
        },
        "recoveryOptions": failed["error"]["recoveryOptions"] if failed["error"] else [],
    }
    assert failed["waitedMs"]["rateLimit"] == 9


def test_a_document_of_which_little_is_known_has_every_key() -> None:
    document = whole({"executionId": "x", "status": "terminated"}, "r")
    assert set(document) == TOP | {"runId"}
    RESULT.validate_python(document)


def test_the_model_refuses_unknown_and_missing_keys() -> None:
    document: dict[str, Any] = {**whole({"executionId": "x", "status": "running"}, "r")}
    document["results"] = [empty_row("a")]
    RESULT.validate_python(document)
    for wrong in (
        {**document, "more": 1},
        {name: value for name, value in document.items() if name != "runId"},
        {**document, "status": "none of these"},
        {**document, "results": [{**empty_row("a"), "duration": "1"}]},
    ):
        with pytest.raises(ValidationError):
            RESULT.validate_python(wrong)


def test_a_large_document_loses_its_rows_in_the_history() -> None:
    document = {"results": [{}] * MAX_ROWS_IN_HISTORY, "conflicts": [1], "questions": [], "landingOrder": []}
    assert within_bounds(document) == document
    many = {**document, "results": [{}] * (MAX_ROWS_IN_HISTORY + 1)}
    short = within_bounds(many)
    assert short == {**many, "results": [], "truncated": True, "packed": short["packed"]}
    assert from_history(short) == many
    large = {**document, "conflicts": ["\ud83d" + "x" * 1_000_001]}
    assert within_bounds(large)["conflicts"] == []
    assert from_history(within_bounds(large)) == large
    noise = {**document, "conflicts": [random.Random(1).randbytes(1_000_000).hex()]}
    assert from_history(within_bounds(noise)) is None
