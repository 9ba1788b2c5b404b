"""Executions on several hosts, which are state directories of one machine here, and the worker that each needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio import activity
from temporalio.client import WorkflowHandle
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.agents.base import Agent, Completed
from activities.state.host import host_name
from epw.client.away import mark_away, what_to_do
from epw.client.documents import full_document
from epw.core.messages import HOST_MEMO, NOT_HERE, PREPARE, Prepared, PrepareRequest
from epw.core.queues import host_queue, steps_queue
from epw.core.search_attributes import WAITING
from epw.service.connection import Connection
from epw.service.host_watch import HostWatch
from epw.service.pollers import unstarted
from epw.service.unreplayable import reset_unreplayable
from epw.settings import Settings
from tests.support import Harness, ended, make_repository, sh, status_of, tasks, until
from workflows.execute_parallel import ExecuteParallelWorkflow


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repository")


@pytest_asyncio.fixture
async def away(harness: Harness, tmp_path: Path) -> Harness:
    """Another host: what `harness` is bound to is not there."""
    return await harness.beside(tmp_path / "other")


@asynccontextmanager
async def watched(harness: Harness) -> AsyncIterator[None]:
    """What every worker process does, more often."""
    watch = HostWatch(harness.client, patience_seconds=0.2)

    async def look() -> None:
        while True:
            await reset_unreplayable(harness.client, watch.look_at)
            await asyncio.sleep(0.2)

    looking = asyncio.create_task(look())
    try:
        yield
    finally:
        looking.cancel()


async def start(harness: Harness, plan: dict[str, Any]) -> WorkflowHandle[Any, Any]:
    """Start it as a command on the host of `harness` does."""
    return await harness.start(plan, memo={HOST_MEMO: host_name(harness.state)})


async def waiting_attribute(handle: WorkflowHandle[Any, Any], wanted: str) -> None:
    async with asyncio.timeout(30):
        while (await handle.describe()).typed_search_attributes.get(  # noqa: ASYNC110
            SearchAttributeKey.for_keyword(WAITING)
        ) != wanted:
            await asyncio.sleep(0.05)


async def test_another_host_does_not_touch_the_workspace_of_this_one(
    harness: Harness, away: Harness, repository: Path
) -> None:
    plan = {"workspace": str(repository), "tasks": tasks({"id": "a", "run": "echo a > a"})}
    async with away.working(), watched(away):
        handle = await start(harness, plan)
        await waiting_attribute(handle, "host")
        assert await handle.query("away") == {"tasks": [], "steps": [PREPARE]}
        async with harness.working():
            assert await ended(handle) is None
    document = await harness.document(handle)
    assert sh(repository, "git", "show", f"{document['delivery']['branch']}:a") == "a\n"
    assert not (away.home / "hubs").exists()
    assert not (away.home / "executions").exists()


async def test_tasks_of_a_host_that_is_away_wait_for_it_and_go_on_when_it_is_back(
    harness: Harness, away: Harness, repository: Path, tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    # Only the run after the host has been away comes to its end.
    run = f"touch {marks}/begun; while [ ! -e {marks}/back ]; do sleep 0.05; done; echo a > a"
    plan = {"workspace": str(repository), "sandbox": "none", "tasks": tasks({"id": "a", "run": run})}
    async with away.working(), watched(away):
        async with harness.working():
            handle = await start(harness, plan)
            await until(handle, lambda _: (marks / "begun").exists())
        waiting = await until(handle, lambda progress: progress["tasks"][0]["waitingFor"] == "host")
        host = host_name(harness.state)
        assert waiting["tasks"][0]["waitingHost"] == host
        await waiting_attribute(handle, "host")
        described = await handle.describe()
        connection = Connection(away.client, None, is_embedded=False, state=away.state)
        (said,) = what_to_do(await unstarted(away.client, described), connection)
        assert said == f"a waiting: host; no worker of host {host} is free or there: `epw worker` there goes on with it"
        async with harness.working():
            await until(handle, lambda progress: progress["tasks"][0]["status"] == "running")
            (marks / "back").touch()
            assert await ended(handle) is None
    row = (await harness.document(handle))["results"][0]
    assert (row["status"], row["landed"], row["attempts"]) == ("succeeded", True, 1)
    assert row["waitedMs"]["host"] > 0
    assert "waitingHost" not in row
    assert not (away.home / "hubs").exists()


async def test_a_document_says_so_too_where_no_worker_is_left_to_tell_the_workflow(
    harness: Harness, repository: Path, tmp_path: Path
) -> None:
    mark = tmp_path / "begun"
    plan = {
        "workspace": str(repository),
        "sandbox": "none",
        "tasks": tasks({"id": "a", "run": f"touch {mark}; sleep 60"}),
    }
    async with harness.working():
        handle = await start(harness, plan)
        await until(handle, lambda _: mark.exists())
    async with asyncio.timeout(30):
        while not (waiting := await unstarted(harness.client, await handle.describe())):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    document = await full_document(Settings(harness.home), handle)
    mark_away(document, waiting)
    row = document["results"][0]
    assert (row["status"], row.get("waitingFor"), row.get("waitingHost")) == (
        "waiting",
        "host",
        host_name(harness.state),
    )
    await handle.terminate()


async def test_a_task_that_needs_labels_runs_only_where_they_are(harness: Harness, away: Harness) -> None:
    plan = {"tasks": tasks({"id": "a", "run": "true", "needs": ["gpu", "arm"]}, {"id": "b", "run": "true"})}
    async with away.working(labels=("docker", "gpu")), watched(away):
        handle = await harness.start(plan)
        waiting = await until(
            handle, lambda progress: status_of(progress) == {"a": "waiting", "b": "succeeded"} and progress
        )
        assert waiting["tasks"][0]["waitingHost"] == "(needs gpu, arm)"
        described = await handle.describe()
        (said,) = what_to_do(
            await unstarted(harness.client, described), Connection(harness.client, None, is_embedded=False)
        )
        assert "with labels arm, gpu" in said
        assert "`epw worker --label arm --label gpu`" in said
        async with harness.working(labels=("arm", "docker", "gpu")):
            assert await ended(handle) is None


async def test_a_task_that_is_cancelled_before_any_worker_took_it_has_not_begun(harness: Harness) -> None:
    plan = {"tasks": tasks({"id": "a", "run": "true", "needs": ["gpu"]}, {"id": "b", "run": "true"})}
    async with harness.working(), watched(harness):
        handle = await harness.start(plan)
        await until(handle, lambda progress: status_of(progress) == {"a": "waiting", "b": "succeeded"})
        await handle.execute_update("cancel_task", {"taskId": "a"})
        assert await ended(handle) is None
        document = await harness.document(handle)
    row = document["results"][0]
    assert (row["status"], row["attempts"], row["startedAt"]) == ("cancelled", 0, None)
    assert row["waitedMs"]["host"] > 0
    assert document["metrics"]["agentsUsed"] == 1


async def test_labels_choose_among_the_workers_of_the_host_that_has_the_workspace(
    harness: Harness, away: Harness, repository: Path
) -> None:
    plan = {"workspace": str(repository), "tasks": tasks({"id": "a", "run": "echo a > a", "needs": ["gpu"]})}
    async with away.working(labels=("gpu",)), harness.working(), watched(away):
        handle = await start(harness, plan)
        await until(handle, lambda progress: progress["tasks"][0]["waitingFor"] == "host")
        async with (await harness.beside()).working(labels=("gpu",)):
            assert await ended(handle) is None
    assert not (away.home / "hubs").exists()


async def test_an_answered_question_goes_on_on_another_host(harness: Harness, away: Harness) -> None:
    ask = """[ -n "${EPW_ANSWER:-}" ] && exit; echo '{"question": "which?"}' >> $EPW_EVENTS; exit 75"""
    async with harness.working():
        handle = await harness.start({"tasks": tasks({"id": "a", "run": ask})})
        await until(handle, lambda progress: progress["tasks"][0]["waitingFor"] == "question")
    async with away.working():
        (question,) = await handle.query("questions")
        await handle.execute_update("answer", {"questionId": question["id"], "text": "this"})
        assert await ended(handle) is None


class Counting(Agent):
    """Agent that counts how many of it run at once."""

    def __init__(self) -> None:
        self.running = self.peak = 0

    def needs_directory(self, task: Any) -> bool:
        return False

    async def execute(self, context: Any, launcher: Any, reporter: Any) -> Completed:
        self.running += 1
        self.peak = max(self.peak, self.running)
        await asyncio.sleep(0.05)
        self.running -= 1
        return Completed()


async def test_no_more_attempts_than_slots_run_in_a_worker_wherever_they_come_from(harness: Harness) -> None:
    agent = Counting()
    rows = [{"id": f"t{number}", "agent": "simulated", "needs": ["gpu"] * (number % 2)} for number in range(12)]
    async with harness.working({"simulated": agent}, slots=2, labels=("gpu",)):
        handle = await harness.start({"maxAgents": 12, "tasks": tasks(*rows)})
        assert await ended(handle) is None
    assert agent.peak == 2


async def test_a_worker_that_stops_takes_nothing_new_and_its_agents_end(harness: Harness, tmp_path: Path) -> None:
    begun, stopping = tmp_path / "begun", tmp_path / "stopping"
    # The second could start as soon as the first has ended, by a queue that is not the first's.
    first = {"id": "a", "run": f"touch {begun}; while [ ! -e {stopping} ]; do sleep 0.05; done"}
    plan = {"sandbox": "none", "maxAgents": 1, "tasks": tasks(first, {"id": "b", "run": "true", "needs": ["gpu"]})}
    async with harness.working(labels=("gpu",), grace=timedelta(seconds=30)):
        handle = await harness.start(plan)
        await until(handle, lambda _: begun.exists())
        asyncio.get_running_loop().call_later(0.5, stopping.touch)
    pending = (await handle.describe()).raw_description.pending_activities
    assert not pending, "the first ended in the grace time; nobody is there to go on"
    async with harness.working(labels=("gpu",)):
        assert await ended(handle) is None
    document = await harness.document(handle)
    assert document["metrics"]["lostRunCount"] == 0


@pytest.mark.parametrize("has_it", [True, False])
async def test_a_host_without_the_workspace_names_others_which_are_asked_in_turn(
    harness: Harness, has_it: bool
) -> None:
    asked = list[list[str]]()

    def host(name: str, others: list[str], *, has_it: bool) -> Any:
        @activity.defn(name=PREPARE)
        async def prepare(request: PrepareRequest) -> Prepared:
            asked.append(request.asked)
            if not has_it:
                raise ApplicationError("not here", name, others, type=NOT_HERE, non_retryable=True)
            return Prepared(task_queue=harness.queue)

        return prepare

    second = steps_queue(host_queue(harness.queue, "second"))
    plan = {"workspace": "/somewhere", "tasks": tasks({"id": "a", "run": "true", "dependsOn": []})}
    async with (
        Worker(
            harness.client,
            task_queue=harness.queue,
            workflows=[ExecuteParallelWorkflow],
            activities=[host("first", ["second"], has_it=False)],
        ),
        Worker(harness.client, task_queue=second, activities=[host("second", [], has_it=has_it)]),
    ):
        handle = await harness.start(plan)
        if has_it:
            await until(handle, lambda progress: progress["tasks"][0]["status"] == "running")
            await handle.terminate()
        else:
            failure = await ended(handle)
            assert isinstance(failure, ApplicationError)
            assert failure.type == "InvalidPlan"
            assert "/somewhere is on no host that has a worker (asked: first, second)" in failure.message
    assert asked == [[], ["first"]]


async def test_a_workspace_that_is_nowhere_is_refused_at_once(harness: Harness, away: Harness) -> None:
    async with harness.working(), away.working():
        handle = await harness.start({"workspace": "/nowhere/at/all", "tasks": tasks({"id": "a", "run": "true"})})
        failure = await ended(handle, 20)
    assert isinstance(failure, ApplicationError)
    assert failure.type == "InvalidPlan"
    assert "/nowhere/at/all" in failure.message
