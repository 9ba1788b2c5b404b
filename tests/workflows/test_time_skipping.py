"""Back-off and question time-outs, on the time-skipping server: hours pass in milliseconds."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from temporalio import activity
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from epw.core.errors import UrlAway
from epw.core.execution.strategy import STRATEGIES
from epw.core.messages import PREPARE, RUN_TASK, Prepared, PrepareRequest, TaskOutcome, TaskRun
from epw.service.converter import data_converter
from tests.support import Harness, ended, failure_type, statuses, tasks
from workflows.dispatch import retry_policy
from workflows.execute_parallel import ExecuteParallelWorkflow

ASK = """[ -n "${EPW_ANSWER:-}" ] && exit 0; echo '{"question": "which?"}' > "$EPW_EVENTS"; exit 75"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def skipping(time_skipping_binary: str) -> AsyncIterator[WorkflowEnvironment]:
    environment = await WorkflowEnvironment.start_time_skipping(
        data_converter=data_converter, test_server_existing_path=time_skipping_binary
    )
    async with environment:
        yield environment


async def test_an_unanswered_question_fails_its_task_after_days(skipping: WorkflowEnvironment, tmp_path: Path) -> None:
    harness = Harness(skipping.client, tmp_path, f"queue-{uuid.uuid4().hex}")
    plan = {"strategy": "aggressive", "onQuestion": {"timeoutMinutes": 2880}, "tasks": tasks({"id": "a", "run": ASK})}
    before = await skipping.get_current_time()
    async with harness.working():
        handle = await harness.start(plan)
        assert await failure_type(handle) == "ExecutionFailed"
        document = await harness.document(handle)
    assert (await skipping.get_current_time() - before).total_seconds() >= 2880 * 60
    assert document["results"][0]["error"]["type"] == "QuestionUnanswered"
    assert document["metrics"]["totalDuration"] < 60_000, "waiting for people is no running time"


async def test_the_default_answers_in_lieu(skipping: WorkflowEnvironment, tmp_path: Path) -> None:
    harness = Harness(skipping.client, tmp_path, f"queue-{uuid.uuid4().hex}")
    plan = {"onQuestion": {"timeoutMinutes": 600, "default": "this one"}, "tasks": tasks({"id": "a", "run": ASK})}
    document = await harness.run(plan)
    assert statuses(document) == {"a": "succeeded"}
    assert document["questions"][0]["answer"] == "this one"


async def test_who_does_not_wait_gets_the_default_at_once(skipping: WorkflowEnvironment, tmp_path: Path) -> None:
    harness = Harness(skipping.client, tmp_path, f"queue-{uuid.uuid4().hex}")
    plan = {"onQuestion": {"wait": False, "default": "x"}, "tasks": tasks({"id": "a", "run": ASK})}
    assert (await harness.run(plan))["success"]


async def test_infrastructure_is_retried_with_back_off_and_not_counted(skipping: WorkflowEnvironment) -> None:
    tries: list[int] = []

    @activity.defn(name=PREPARE)
    async def prepare(request: PrepareRequest) -> Prepared:
        return Prepared(task_queue=queue)

    @activity.defn(name=RUN_TASK)
    async def run_task(run: TaskRun) -> TaskOutcome:
        tries.append(activity.info().attempt)
        if len(tries) < 9:
            raise RuntimeError("the network is away")
        return TaskOutcome(kind="completed", duration_ms=1)

    queue = f"queue-{uuid.uuid4().hex}"
    before = await skipping.get_current_time()
    async with Worker(
        skipping.client, task_queue=queue, workflows=[ExecuteParallelWorkflow], activities=[prepare, run_task]
    ):
        plan = {"tasks": tasks({"id": "a", "run": "true"})}
        handle = await Harness(skipping.client, Path("/nonexistent"), queue).start(plan)
        assert await ended(handle) is None
        (row,) = (await handle.query("results"))["results"]
    assert tries == list(range(1, 10))
    assert row["attempts"] == 1
    assert (await skipping.get_current_time() - before).total_seconds() > 20, "0.2 s, doubled each time"


def test_a_start_waits_for_about_a_minute_and_a_half() -> None:
    policy = retry_policy(STRATEGIES["conservative"])
    pauses = [
        policy.initial_interval * policy.backoff_coefficient**count for count in range(policy.maximum_attempts - 1)
    ]
    longest = policy.maximum_interval
    assert longest is not None
    assert 75 < sum(min(each, longest).total_seconds() for each in pauses) < 95


async def test_what_is_lacking_at_the_start_is_named_so_and_nothing_has_begun(skipping: WorkflowEnvironment) -> None:
    @activity.defn(name=PREPARE)
    async def prepare(request: PrepareRequest) -> Prepared:
        raise UrlAway("git ls-remote of https://example.org/x broke off: Could not resolve host")

    queue = f"queue-{uuid.uuid4().hex}"
    async with Worker(skipping.client, task_queue=queue, workflows=[ExecuteParallelWorkflow], activities=[prepare]):
        plan = {"workspace": "https://example.org/x", "tasks": tasks({"id": "a", "run": "true"})}
        handle = await Harness(skipping.client, Path("/nonexistent"), queue).start(plan)
        assert await failure_type(handle) == "ExecutionFailed"
        document = await handle.query("results")
    assert (document["status"], document["error"]["type"]) == ("failed", "Unavailable")
    assert "Could not resolve host" in document["error"]["message"]
    assert document["results"][0]["status"] == "skipped"
