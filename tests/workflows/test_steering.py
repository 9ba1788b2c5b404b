"""Changes by people while an execution runs: one task stopped, priorities, budgets, and what results say of it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.testing import WorkflowEnvironment

from epw.core import failures
from epw.core.messages import Failure
from epw.core.plan.validate import read_plan
from tests.stage import Stage, commits_in, result_of
from tests.support import (
    Harness,
    check_invariants,
    ended,
    eventually,
    failure_type,
    make_repository,
    sh,
    status_of,
    statuses,
    tasks,
    until,
)

CHAIN = ({"id": "a"}, {"id": "b", "dependsOn": ["a"]}, {"id": "c", "dependsOn": ["b"]}, {"id": "d"})


@pytest_asyncio.fixture(loop_scope="session")
async def stage(server: WorkflowEnvironment) -> AsyncIterator[Stage]:
    async with Stage(server.client).working() as stage:
        yield stage


def plan(*rows: Any, **more: Any) -> dict[str, Any]:
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
    assert "withdrawn" in await refused(handle, "answer", {"questionId": question["id"], "text": "x"})
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


async def test_a_budget_that_an_agent_s_program_cannot_be_held_to_is_refused(stage: Stage) -> None:
    handle = await stage.start(plan({"id": "a", "agent": "codex"}, {"id": "b", "agent": "copilot"}, agent="claude"))
    await until(handle, lambda now: len(stage.running) == 2)
    why = await refused(handle, "set_budget", {"maxCostUSD": 1})
    assert 'a: agent "codex" does not say what it costs, so maxCostUSD cannot be kept; use maxTokens' in why
    assert "copilot" in await refused(handle, "set_budget", {"maxTokens": 1000})
    await stage.end("b")
    await until(handle, lambda now: status_of(now)["b"] == "succeeded")
    await handle.execute_update("set_budget", {"maxTokens": 1000})
    await stage.end("a")
    assert await ended(handle) is None


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


async def test_a_failed_task_runs_again_and_what_was_skipped_for_it_follows(stage: Stage) -> None:
    handle = await stage.start(plan(strategy="aggressive"))
    for _ in range(4):
        await stage.end("a", "failed", failure=Failure.of(failures.COMMAND_FAILED, "it is red"))
    await until(handle, lambda now: now["counts"].get("skipped") == 2)
    assert "b depends on a, which is failed" in await refused(handle, "retry_task", {"taskId": "b"})
    assert "d has not ended: it is running" in await refused(handle, "retry_task", {"taskId": "d"})
    answer = await handle.execute_update("retry_task", {"taskId": "a"})
    assert (answer["status"], answer["outcome"]) == ("ready", "runs again, and with it b, c")
    await stage.end("a", "failed", failure=Failure.of(failures.COMMAND_FAILED, "still red"))
    for each in "abcd":
        await stage.end(each)
    assert await ended(handle) is None
    document = await result_of(handle)
    assert document["success"]
    row = document["results"][0]
    assert (row["attempts"], row["retries"]) == (6, 1)
    assert stage.starts[4].retries == 0
    assert [run.retries for run in stage.starts if run.task_id == "a"] == [0, 0, 0, 0, 1, 1]
    assert document["metrics"] is not None
    assert document["metrics"]["retryCount"] == 4


async def test_a_landed_change_is_taken_out_with_what_followed_before_its_task_runs_again(stage: Stage) -> None:
    rows = [{"id": "a"}, {"id": "b", "dependsOn": ["a"]}, {"id": "u"}, {"id": "x"}, {"id": "y", "dependsOn": ["u"]}]
    handle = await stage.start(plan(*rows))
    for each in "aub":
        await stage.end(each)
        await until(handle, lambda now, each=each: status_of(now)[each] == "succeeded")
    await until(handle, lambda now: sorted(stage.running) == ["x", "y"])
    await handle.execute_update("retry_task", {"taskId": "a", "by": "ada"})
    await until(handle, lambda now: status_of(now)["a"] == "running" and stage.starts[-1].task_id == "a")
    again = stage.starts[-1]
    assert again.base is not None
    assert commits_in(again.base) == ["u"], "it does not find its own earlier work"
    await stage.end("y")
    await until(handle, lambda now: status_of(now)["y"] == "succeeded")
    assert stage.landings[-1].changes[0].detached, "it began on a head that has what is out now"
    for each in "axb":
        await stage.end(each)
    assert await ended(handle) is None
    document = await result_of(handle)
    assert document["success"]
    assert sorted(commits_in(stage.delivered)) == ["a", "b", "u", "x", "y"]
    assert document["landingOrder"].index("b") > document["landingOrder"].index("a")
    assert {row["taskId"]: row["attempts"] for row in document["results"]} == {"a": 2, "b": 2, "u": 1, "x": 1, "y": 1}


async def test_what_does_not_merge_without_the_taken_out_change_runs_again_too(stage: Stage) -> None:
    handle = await stage.start(plan({"id": "a"}, {"id": "u"}, {"id": "v", "dependsOn": ["u"]}, {"id": "x"}))
    for each in "auv":
        await stage.end(each)
        await until(handle, lambda now, each=each: status_of(now)[each] == "succeeded")
    stage.conflicting["u"] = 1
    await handle.execute_update("retry_task", {"taskId": "a"})
    await until(handle, lambda now: stage.started("a") == stage.started("u") == 2)
    (entry,) = (await result_of(handle))["steering"]
    assert entry["outcome"] == "runs again, and with it u, v"
    for each in "auvx":
        await stage.end(each)
    assert await ended(handle) is None
    assert sorted(commits_in(stage.delivered)) == ["a", "u", "v", "x"]


@pytest.mark.parametrize("workspace", [None, "/somewhere"])
async def test_what_follows_is_stopped_before_its_task_runs_again(stage: Stage, workspace: str | None) -> None:
    rows = [{"id": "a"}, {"id": "b", "dependsOn": ["a"]}, {"id": "c", "dependsOn": ["a"]}]
    handle = await stage.start(plan(*rows, workspace=workspace))
    await stage.end("a")
    await stage.ask("c")
    await until(handle, lambda now: now["counts"].get("waiting") and status_of(now)["b"] == "running")
    answer = await handle.execute_update("retry_task", {"taskId": "a"})
    assert answer["outcome"] == "what is under way ends first"
    assert "about to run again" in await refused(handle, "retry_task", {"taskId": "a"})
    await until(handle, lambda now: stage.running == ["a"])
    assert [each["answer"] for each in await handle.query("questions")] == ["withdrawn: the task runs again"]
    assert stage.started("b") == 1
    for each in "abc":
        await stage.end(each)
    assert await ended(handle) is None
    assert statuses(await result_of(handle)) == dict.fromkeys("abc", "succeeded")  # type: ignore[arg-type]


async def test_a_retry_while_a_landing_runs_loses_nothing(stage: Stage) -> None:
    handle = await stage.start(plan({"id": "a"}, {"id": "b", "dependsOn": ["a"]}, {"id": "u"}))
    await stage.end("a")
    await stage.end("b")
    stage.may_land.clear()
    await stage.end("u")
    await until(handle, lambda now: now["counts"].get("waiting"))
    await handle.execute_update("retry_task", {"taskId": "a"})
    stage.may_land.set()
    await stage.end("a")
    await stage.end("b")
    assert await ended(handle) is None
    assert sorted(commits_in(stage.delivered)) == ["a", "b", "u"]


async def test_nothing_is_steered_while_the_head_is_delivered(stage: Stage) -> None:
    stage.may_deliver.clear()
    handle = await stage.start(plan({"id": "a"}))
    await stage.end("a")
    await until(handle, lambda now: status_of(now)["a"] == "succeeded")
    assert "delivered" in await refused(handle, "retry_task", {"taskId": "a"})
    assert "delivered" in await refused(handle, "set_max_agents", {"maxAgents": 2})
    stage.may_deliver.set()
    assert await ended(handle) is None


async def test_added_tasks_are_scheduled_like_others_and_results_know_them(stage: Stage) -> None:
    handle = await stage.start(plan({"id": "a"}, {"id": "b", "dependsOn": ["a"]}, maxAgents=1))
    await until(handle, lambda now: status_of(now)["a"] == "running")
    more = tasks({"id": "x", "priority": 9}, {"id": "y", "dependsOn": ["a", "x"]})
    answer = await handle.execute_update("add_tasks", {"tasks": more, "by": "ada"})
    assert answer == {"added": ["x", "y"], "outcome": "added, 1 of them ready to start"}
    for each in ("a", "x", "b", "y"):
        await stage.end(each)
    assert await ended(handle) is None
    assert [run.task_id for run in stage.starts] == ["a", "x", "b", "y"]
    assert [run.task and run.task["id"] for run in stage.starts] == [None, "x", None, "y"]
    document = await result_of(handle)
    assert document["success"]
    assert [row["taskId"] for row in document["results"]] == ["a", "b", "x", "y"]
    assert document["added"] == more
    assert document["steering"][0]["request"] == {"tasks": ["x", "y"]}
    assert document["metrics"] is not None
    assert document["metrics"]["totalTasks"] == 4
    graph = await handle.query("graph")
    assert {"from": "x", "to": "y", "type": "explicit"} in graph["edges"]


async def test_tasks_that_cannot_join_are_refused_with_every_problem(stage: Stage) -> None:
    handle = await stage.start(plan({"id": "a"}, {"id": "b"}))
    await until(handle, lambda now: status_of(now)["b"] == "running")
    await handle.execute_update("cancel_task", {"taskId": "a"})
    await until(handle, lambda now: status_of(now)["a"] == "cancelled")
    wrong = [
        {"id": "b", "description": "x"},
        {"id": "c", "description": "", "files": "x"},
        {"id": "d", "description": "x", "dependsOn": ["nowhere", "c"]},
    ]
    told = await refused(handle, "add_tasks", {"tasks": wrong})
    for each in ("tasks[0].id: Duplicate", "tasks[1].description", "tasks[1].files", "non-existent task: nowhere"):
        assert each in told
    assert "which is cancelled" in await refused(handle, "add_tasks", {"tasks": tasks({"id": "c", "dependsOn": ["a"]})})
    circle = tasks({"id": "c", "dependsOn": ["d"]}, {"id": "d", "dependsOn": ["c"]})
    assert "c → d → c" in await refused(handle, "add_tasks", {"tasks": circle})
    assert "cannot be empty" in await refused(handle, "add_tasks", {"tasks": []})
    model = tasks({"id": "c", "agent": "claude"})
    assert "nothing was prepared" in await refused(handle, "add_tasks", {"tasks": model})
    many = [{"id": f"n{n}", "description": "x"} for n in range(10_000)]
    assert "Maximum 10000 tasks" in await refused(handle, "add_tasks", {"tasks": many})
    await stage.end("b")
    await ended(handle)


MORE = tasks({"id": "x", "dependsOn": ["a"]})


@pytest.mark.parametrize("answer", ["take", "refuse"])
async def test_a_person_decides_what_an_agent_proposes(stage: Stage, answer: str) -> None:
    handle = await stage.start(plan({"id": "a"}))
    await stage.end("a", proposed=MORE)
    await until(handle, lambda now: now["counts"].get("waiting"))
    (asked,) = await handle.query("questions")
    assert asked["options"] == ["take", "refuse"]
    assert "- x: do x" in asked["text"]
    await handle.execute_update("answer", {"questionId": asked["id"], "text": answer})
    if answer == "take":
        await stage.end("x")
    assert await ended(handle) is None
    document = await result_of(handle)
    assert [row["taskId"] for row in document["results"]] == (["a", "x"] if answer == "take" else ["a"])
    entry = document["steering"][0]
    assert (entry["by"], entry["action"]) == ("agent:a", "add_tasks")
    assert entry["outcome"] == ("added: x" if answer == "take" else "refused by a person")


@pytest.mark.parametrize(
    ("policy", "task", "outcome"),
    [
        ("take", MORE[0], "added: x"),
        ("take", {**MORE[0], "run": "true", "agent": "command"}, None),
        ("take", {**MORE[0], "dependsOn": ["q"]}, "refused: tasks[0].dependsOn[0]: Task x depends on non-existent"),
        ("refuse", MORE[0], "refused by the plan's onProposal"),
        ("ask", {**MORE[0], "context": "c" * 2_000}, "refused: it is too long to be shown in a question"),
    ],
)
async def test_the_plan_says_what_becomes_of_proposals(
    stage: Stage, policy: str, task: dict[str, Any], outcome: str | None
) -> None:
    handle = await stage.start(plan({"id": "a"}, onProposal=policy))
    await stage.end("a", proposed=[task])
    if outcome is None:
        await until(handle, lambda now: now["counts"].get("waiting"))
        await handle.execute_update("answer", {"questionId": "q1", "text": "refuse"})
    elif outcome.startswith("added"):
        await stage.end("x")
    assert await ended(handle) is None
    found = (await result_of(handle))["steering"][0]["outcome"]
    assert found.startswith(outcome or "refused by a person")


async def test_an_agent_is_told_at_once_and_its_next_attempt_again(stage: Stage) -> None:
    rows = [{"id": "a", "run": "true"}, {"id": "b", "run": "true", "dependsOn": ["a"]}]
    handle = await stage.start(plan(*rows, agent=None, strategy="aggressive"))
    await until(handle, lambda now: status_of(now)["a"] == "running")
    first = await handle.execute_update("message", {"taskId": "a", "text": "one", "by": "ada"})
    assert first["outcome"] == "it is handed to its agent"
    await eventually(lambda: stage.told == [("a", 1, "one")])
    later = await handle.execute_update("message", {"taskId": "b", "text": "two"})
    assert later["outcome"] == "its next attempt gets it"
    await stage.end("a", "failed", told=1)
    await stage.end("a", told=1)
    await stage.end("b", told=0)
    assert await ended(handle) is None
    assert [run.messages for run in stage.starts] == [[], ["one"], ["two"]]
    found = [each["outcome"] for each in (await result_of(handle))["steering"]]
    assert found == ["its agent has got it", "its next attempt gets it"]
    assert stage.told == [("a", 1, "one")]


async def test_a_simulated_agent_is_told_nothing(stage: Stage) -> None:
    handle = await stage.start(plan({"id": "a"}))
    await until(handle, lambda now: status_of(now)["a"] == "running")
    assert "reads no messages" in await refused(handle, "message", {"taskId": "a", "text": "x"})
    assert "text" in await refused(handle, "message", {"taskId": "a", "text": ""})
    await stage.end("a")
    assert await ended(handle) is None


async def test_on_a_real_repository_the_second_change_takes_the_place_of_the_first(
    harness: Harness, tmp_path: Path
) -> None:
    repository, go = make_repository(tmp_path / "repository"), tmp_path / "go"
    rows: list[dict[str, Any]] = [
        {"id": "a", "run": "ls > a-$EPW_ATTEMPT"},
        {"id": "b", "run": "cat a-* > b", "dependsOn": ["a"]},
        {"id": "u", "run": "echo u > u"},
        {"id": "slow", "run": f"until [ -e {go} ]; do sleep 0.05; done; ls > slow"},
    ]
    document = {"workspace": str(repository), "strategy": "aggressive", "tasks": tasks(*rows)}
    async with harness.working():
        handle = await harness.start(document)
        await until(handle, lambda now: now["counts"].get("succeeded") == 3)
        await handle.execute_update("retry_task", {"taskId": "a"})
        await until(handle, lambda now: now["tasks"][0]["attempts"] == 2 and now["counts"].get("succeeded") == 3)
        await handle.execute_update("add_tasks", {"tasks": tasks({"id": "more", "run": "true", "dependsOn": ["b"]})})
        go.touch()
        assert await ended(handle) is None
        result = await harness.document(handle)
    await check_invariants(read_plan(document), result, handle, harness.home)
    assert result["success"]
    branch = result["delivery"]["branch"]
    assert sh(repository, "git", "ls-tree", "--name-only", branch).split() == ["README.md", "a-2", "b", "slow", "u"]
    assert sh(repository, "git", "show", f"{branch}:a-2").split() == ["README.md", "a-2", "u"], "not its own first one"
    assert sh(repository, "git", "show", f"{branch}:slow").split() == ["README.md", "slow"], "it began before all"
