"""Changes by people while an execution runs: one task stopped, priorities, budgets, and what results say of it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.testing import WorkflowEnvironment

from tests.stage import Stage, commits_in, result_of
from tests.support import ended, failure_type, status_of, statuses, tasks, until

CHAIN = ({"id": "a"}, {"id": "b", "dependsOn": ["a"]}, {"id": "c", "dependsOn": ["b"]}, {"id": "d"})


@pytest_asyncio.fixture(loop_scope="session")
async def stage(server: WorkflowEnvironment) -> AsyncIterator[Stage]:
    async with Stage(server.client).working() as stage:
        yield stage


def plan(*rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"workspace": "/somewhere", "agent": "simulated", "tasks": tasks(*(rows or CHAIN)), **more}


async def refused(handle: WorkflowHandle[Any, Any], update: str, message: dict[str, Any]) -> str:
    with pytest.raises(WorkflowUpdateFailedError) as error:
        await handle.execute_update(update, message, id=uuid.uuid4().hex)
    return str(error.value.cause)


async def test_a_cancelled_task_takes_its_descendants_along_and_nothing_else(stage: Stage) -> None:
    handle = await stage.start(plan(strategy="conservative"))
    await stage.end("a")
    await until(handle, lambda now: status_of(now)["b"] == "running")
    answer = await handle.execute_update("cancel_task", {"taskId": "b", "by": "ada@there"})
    assert answer["status"] == "running"
    await until(handle, lambda now: status_of(now)["b"] == "cancelled")
    await stage.end("d")
    assert await ended(handle) is None
    document = await result_of(handle)
    assert document["status"] == "partial", "a person's wish is no failure: nothing is rolled back"
    assert statuses(document) == {"a": "succeeded", "b": "cancelled", "c": "skipped", "d": "succeeded"}  # type: ignore[arg-type]
    assert commits_in(stage.delivered) == ["a", "d"]
    (entry,) = document["steering"]
    assert (entry["by"], entry["action"], entry["request"]) == ("ada@there", "cancel_task", {"taskId": "b"})
    assert entry["outcome"] == "cancelled; 1 that depends on it skipped"


async def test_what_has_not_started_or_waits_is_cancelled_at_once(stage: Stage) -> None:
    handle = await stage.start(plan(strategy="conservative", maxAgents=1))
    await stage.ask("a")
    await until(handle, lambda now: now["counts"].get("waiting"))
    (question,) = await handle.query("questions")
    assert (await handle.execute_update("cancel_task", {"taskId": "c"}))["status"] == "cancelled"
    assert (await handle.execute_update("cancel_task", {"taskId": "a"}))["status"] == "cancelled"
    assert "closed" in await refused(handle, "answer", {"questionId": question["id"], "text": "x"})
    assert "has ended" in await refused(handle, "cancel_task", {"taskId": "a"})
    assert "did you mean" not in await refused(handle, "cancel_task", {"taskId": "nothing"})
    await stage.end("d")
    assert await ended(handle) is None
    found = statuses(await result_of(handle))  # type: ignore[arg-type]
    assert found == {"a": "cancelled", "b": "skipped", "c": "cancelled", "d": "succeeded"}


async def test_the_wish_counts_even_where_the_agent_is_done_first(stage: Stage) -> None:
    stage.ends_in_spite = True
    handle = await stage.start(plan(strategy="aggressive"))
    await until(handle, lambda now: len(stage.running) == 2)
    await handle.execute_update("pause")
    assert (await handle.execute_update("cancel_task", {"taskId": "a"}))["status"] == "running"
    await until(handle, lambda now: status_of(now)["a"] == "cancelled")
    await handle.execute_update("resume")
    await stage.end("d")
    assert await ended(handle) is None
    assert commits_in(stage.delivered) == ["d"]


async def test_a_change_that_is_landing_is_not_cancelled(stage: Stage) -> None:
    stage.may_land.clear()
    handle = await stage.start(plan())
    await stage.end("a")
    await until(handle, lambda now: now["tasks"][0]["waitingFor"] == "landing")
    assert "about to land" in await refused(handle, "cancel_task", {"taskId": "a"})
    stage.may_land.set()
    for each in "bcd":
        await stage.end(each)
    assert await ended(handle) is None


async def test_where_people_cancel_all_nothing_is_delivered(stage: Stage) -> None:
    handle = await stage.start(plan({"id": "a"}))
    await until(handle, lambda now: status_of(now)["a"] == "running")
    await handle.execute_update("cancel_task", {"taskId": "a"})
    assert await failure_type(handle) == "ExecutionFailed"
    document = await result_of(handle)
    assert "people have cancelled" in document["error"]["message"]
    assert stage.delivered is None


async def test_a_priority_decides_what_starts_next(stage: Stage) -> None:
    rows = [{"id": each, "estimatedMinutes": 10 - n} for n, each in enumerate("abcd")]
    handle = await stage.start(plan(*rows, maxAgents=1))
    await until(handle, lambda now: status_of(now)["a"] == "running")
    await handle.execute_update("set_priority", {"taskId": "d", "priority": 5})
    await handle.execute_update("set_priority", {"taskId": "a", "priority": 9})
    for each in "adbc":
        await stage.end(each)
    assert await ended(handle) is None
    assert [run.task_id for run in stage.starts] == ["a", "d", "b", "c"]
    assert [each["outcome"] for each in (await result_of(handle))["steering"]] == ["5 instead of 0", "9 instead of 0"]


async def test_an_execution_that_stopped_for_its_budget_goes_on_after_a_raise(stage: Stage) -> None:
    budget = {"budget": {"maxCostUSD": 1.0}}
    rows = ({"id": "a"}, {"id": "b"})
    handle = await stage.start(plan(*rows, agent="claude", constraints=budget, maxAgents=1))
    await stage.spend("a", 1.0, "budget-limit")
    await until(handle, lambda now: now["counts"].get("waiting"))
    assert "until it is raised" in (await handle.execute_update("set_budget", {"maxCostUSD": 0.5}))["outcome"]
    assert "maxTokens" in await refused(handle, "set_budget", {})
    raised = await handle.execute_update("set_budget", {"maxCostUSD": 3, "by": "ada"})
    assert raised["outcome"] == "starts go on, with 1 stopped task"
    await stage.spend("a", 1.5)
    await stage.spend("b", 0.5)
    assert await ended(handle) is None
    document = await result_of(handle)
    assert document["success"]
    assert [run.budget and run.budget.max_cost_usd for run in stage.starts] == [None, 3, 3]
    assert document["questions"][0]["answer"] is not None, "nobody is asked any more"


async def test_a_budget_below_what_is_spent_says_so_where_nothing_is_left_to_start(stage: Stage) -> None:
    rows = ({"id": "a"}, {"id": "b", "dependsOn": ["a"]}, {"id": "c"})
    handle = await stage.start(plan(*rows, agent="claude", maxAgents=2))
    await until(handle, lambda now: status_of(now)["c"] == "running")
    await stage.spend("a", 2.0)
    await until(handle, lambda now: status_of(now)["b"] == "running")
    await stage.end("b", "failed")
    await until(handle, lambda now: now["tasks"][1]["attempts"] == 2)
    lowered = await handle.execute_update("set_budget", {"maxCostUSD": 1})
    assert "no task that waits needs a model" in lowered["outcome"]
    await stage.end("b")
    await stage.end("c")
    assert await ended(handle) is None


async def test_a_lowered_budget_asks_and_the_question_passes_on_with_its_task(stage: Stage) -> None:
    rows = ({"id": "a"}, {"id": "b"}, {"id": "c"})
    handle = await stage.start(plan(*rows, agent="claude", maxAgents=1, strategy="aggressive"))
    await stage.spend("a", 2.0)
    await until(handle, lambda now: status_of(now)["b"] == "running")
    lowered = await handle.execute_update("set_budget", {"maxCostUSD": 1})
    assert "nothing starts until it is raised" in lowered["outcome"]
    await stage.end("b")
    await until(handle, lambda now: status_of(now)["b"] == "succeeded")
    (asked,) = [each for each in await handle.query("questions") if each["answer"] is None]
    assert asked["taskId"] == "c"
    assert stage.started("c") == 0
    await handle.execute_update("answer", {"questionId": asked["id"], "text": "stop"})
    assert await ended(handle) is None
    assert statuses(await result_of(handle)) == {"a": "succeeded", "b": "succeeded", "c": "skipped"}  # type: ignore[arg-type]
