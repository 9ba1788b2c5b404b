"""Advice after a failure: commands that can be typed, for every kind."""

from __future__ import annotations

import re

import pytest

from epw.cli.commands import COMMANDS
from epw.core.execution.state import ExecutionState
from epw.core.failures import FAILURES
from epw.core.messages import Failure
from epw.core.plan.model import Plan
from epw.core.recovery import recovery_options
from epw.core.report.history import short_row, whole
from epw.core.report.result import row
from tests.support import tasks


@pytest.mark.parametrize("type", FAILURES)
def test_every_failure_names_a_command_that_there_is(type: str) -> None:
    options = recovery_options(type, "an id", "a task", "tasks[3]")
    commands = [command for option in options for command in re.findall(r"`epw ([\w-]+)", option)]
    assert commands, type
    assert set(commands) <= set(COMMANDS)
    assert not any("{" in option for option in options)
    assert all("'an id'" in option for option in options if "`epw retry" in option), "an id with a space is quoted"


@pytest.mark.parametrize("type", [*FAILURES, "Unknown"])
def test_while_the_execution_goes_on_nothing_is_advised_that_needs_its_end(type: str) -> None:
    for option in recovery_options(type, "run-1", "api", is_open=True):
        assert "`epw retry run-1`" not in option
        assert option.count("`epw retry run-1 PLAN`") == option.count("once the execution has ended `epw retry")
    assert "`epw retry run-1 api`" in recovery_options("Unknown", "run-1", "api", is_open=True)[-1]


def test_a_document_advises_by_its_own_status() -> None:
    rows = [{"taskId": "a", "error": {"type": "ApiError", "message": "m", "attempt": 1}}]
    for status, waits in (("running", True), ("failed", False)):
        error = whole({"executionId": "r", "status": status, "results": rows}, "id")["results"][0]["error"]
        assert error is not None
        assert ("once the execution has ended" in " ".join(error["recoveryOptions"])) is waits


def test_a_limit_is_named_by_its_place_in_the_plan() -> None:
    execution = ExecutionState(Plan.model_validate({"tasks": tasks({"id": "a"}, {"id": "b"}), "agent": "command"}))
    execution.set_error("b", Failure(type="MemoryLimit", message="used 300 MB", command="make all"))
    rows = [short_row(row(state, execution)) for state in execution.tasks.values()]
    document = whole({"executionId": "run-1", "status": "failed", "results": rows}, "r")
    error = document["results"][1]["error"]
    assert error is not None
    assert "raise tasks[1].constraints.resourceLimits.maxMemoryMB" in error["recoveryOptions"][0]
    assert "`epw retry run-1 PLAN`" in error["recoveryOptions"][0]
    assert (error["context"]["taskId"], error["context"]["command"]) == ("b", "make all")
