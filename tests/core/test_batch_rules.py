"""The account of batches: who is in one, when it is decided, what of it lands."""

from __future__ import annotations

import pytest

from epw.core.errors import InvalidRequest
from epw.core.execution.additions import Additions
from epw.core.execution.state import ExecutionState
from epw.core.execution.task_steering import TaskSteering
from epw.core.messages import TaskOutcome
from epw.core.plan.validate import read_plan
from epw.core.schedule.batches import Batches
from tests.support import tasks


def two_levels() -> Batches:
    return Batches({"c": 1, "a": 0, "d": 1, "b": 0, "e": 1})


def test_members_are_the_tasks_of_a_level_in_the_plan_s_order() -> None:
    batches = two_levels()
    assert [batches.members(level) for level in (0, 1, 2)] == [["a", "b"], ["c", "d", "e"], []]
    assert [batches.level_of(task) for task in "abcde"] == [0, 0, 1, 1, 1]
    assert batches.batch_of("d") == ["c", "d", "e"]
    assert batches.batch_of("a") == ["a", "b"]


def test_without_batches_every_task_stands_alone() -> None:
    none = Batches({})
    assert not none
    assert two_levels()
    assert none.level_of("a") == -1
    assert none.batch_of("a") == []


def test_a_batch_is_decided_by_its_last_task_and_lands_in_the_order_of_completion() -> None:
    batches = two_levels()
    for task in ("d", "c"):
        batches.complete(task)
        assert batches.settle(task) is None
    batches.complete("e")
    assert batches.settle("e") == ["d", "c", "e"]


def test_what_failed_counts_as_settled_and_does_not_land() -> None:
    batches = two_levels()
    assert batches.settle("c") is None
    batches.complete("e")
    assert batches.settle("e") is None
    assert batches.settle("d") == ["e"]


def test_of_a_batch_that_failed_as_a_whole_nothing_lands() -> None:
    batches = two_levels()
    assert batches.settle("a") is None
    assert batches.settle("b") == []


def test_batches_are_decided_apart_from_each_other() -> None:
    batches = two_levels()
    for task in ("a", "c", "d"):
        batches.complete(task)
        assert batches.settle(task) is None
    assert batches.settle("b") == ["a"], "though the other waits"
    assert batches.settle("e") == ["c", "d"]


def test_nothing_is_broken_at_first() -> None:
    assert two_levels().broken is None


def test_who_adds_or_retries_a_task_is_told_what_to_do_after_the_end() -> None:
    rows = tasks({"id": "a", "run": "true"}, {"id": "b", "run": "true", "dependsOn": ["a"]})
    execution = ExecutionState(read_plan({"workspace": "/x", "atomic": "batch", "tasks": rows}))
    with pytest.raises(InvalidRequest, match="after the end: `epw retry ID PLAN`"):
        Additions(execution).checked(tasks({"id": "c", "run": "true"}))
    list(execution.starts(1))
    execution.cancelled("a", TaskOutcome(kind="failed"), 2)
    with pytest.raises(InvalidRequest, match="after the end: `epw retry ID`"):
        TaskSteering(execution).check_retry("a")
