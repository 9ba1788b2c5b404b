"""What models have cost, by the server's own count, beside every place that tells of it; what is in doubt is named."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError, WorkflowHandle

from epw.client.documents import describe, document_of, progress_of
from epw.client.report import report_of
from epw.client.so_far import so_far
from epw.client.started_plan import plan_of
from epw.core.report.spending import in_words
from epw.mcp.views import brief
from epw.rendering.markdown import markdown
from epw.settings import Settings
from tests.messages_api import Turn
from tests.scripted import MODEL_AGENTS, Claude
from tests.support import eventually, some_slow, tasks

BUDGET = {"budget": {"maxCostUSD": 5}}


class Billing:
    """A model of which one call takes long; it counts what it generates, whoever still listens."""

    def __init__(self, slow_turn: int, seconds: float = 60) -> None:
        self.slow_turn, self.seconds = slow_turn, seconds
        self.asked = 0
        self.is_slow = True

    def __call__(self, task: str, turn: int, request: dict[str, Any]) -> Turn:
        self.asked += 1
        seconds = self.seconds if self.is_slow and turn == self.slow_turn else 0
        calls = [] if turn >= 3 else [("Read", {"file_path": f"none-{turn}"})]
        return Turn("Done.", calls, input_tokens=2_000, output_tokens=1_000, seconds=seconds)

    async def is_in_slow_call(self) -> None:
        await eventually(lambda: self.asked > self.slow_turn)

    @property
    def dollars(self) -> float:
        return self.asked * (2_000 * 2 + 1_000 * 10) / 1e6


async def look(claude: Claude, handle: WorkflowHandle[Any, Any]) -> tuple[Any, Any]:
    """The document, and the numbers of `status`."""
    described = await describe(handle)
    document = await document_of(Settings(claude.home), handle, described)
    live = await progress_of(claude.site.connection, described)
    return document, so_far(document, described, live, await plan_of(claude.site.connection, handle))


async def check_agreement(claude: Claude, handle: WorkflowHandle[Any, Any], lost: int) -> Any:
    """What every place says of an execution of one task that has ended, `lost` calls of which had no whole answer."""
    document, numbers = await look(claude, handle)
    usage, metrics = document["results"][0]["usage"], document["metrics"]
    read, written = claude.api.tokens()
    assert (usage["inputTokens"], usage["outputTokens"]) == (read, written)
    assert usage["costUSD"] == pytest.approx((read * 2 + written * 10) / 1e6)
    assert metrics["costUSD"] == numbers["costUSD"] == pytest.approx(usage["costUSD"])
    doubt = usage["inDoubt"]
    assert doubt["calls"] == lost
    assert doubt == metrics["inDoubt"] == numbers["inDoubt"] == brief(document, {})["metrics"]["inDoubt"]
    report = await report_of(Settings(claude.home), claude.site.connection, handle.id)
    assert in_words(doubt) in markdown(report)
    shown = await asyncio.to_thread(claude.site.cli, "status", handle.id)
    assert f"${usage['costUSD']:.4f}, and {in_words(doubt)}" in " ".join(shown.stdout.split())
    # As those have it who ask Temporal; a cancelled execution has no result.
    try:
        told = await handle.result()
    except WorkflowFailureError as error:
        details = getattr(error.cause, "details", ())
        told = details[0] if details else await handle.query("results", {"offset": 0, "limit": 1})
    assert told["results"][0]["usage"] == usage
    assert told["metrics"]["inDoubt"] == doubt
    return document


@pytest.mark.parametrize("agent", some_slow(["claude", "claude-code"], "claude"))
async def test_a_call_whose_worker_was_killed_is_in_doubt_at_once_and_in_the_result(
    idle_claude: Claude, agent: str
) -> None:
    claude, model = idle_claude, Billing(slow_turn=2)
    claude.script(model)
    plan = {"agent": agent, "constraints": BUDGET, "tasks": tasks({"id": "a"})}
    handle = await claude.start(plan)
    async with claude.worker() as worker:
        await model.is_in_slow_call()
        document, numbers = await look(claude, handle)
        assert "inDoubt" not in numbers
        worker.send_signal(signal.SIGKILL)
        await worker.wait()
    document, numbers = await look(claude, handle)
    assert document["results"][0]["usage"]["requests"] == 2
    assert numbers["costUSD"] == pytest.approx(0.028)
    assert numbers["costUSD"] + numbers["inDoubt"]["costUSD"] >= model.dollars
    shown = await asyncio.to_thread(claude.site.cli, "status", handle.id)
    assert f"$0.0280 so far · {in_words(numbers['inDoubt'])}" in " ".join(shown.stdout.split())
    model.is_slow = False
    async with claude.worker():
        await claude.end(handle, plan)
    document = await check_agreement(claude, handle, 1)
    assert document["status"] == "succeeded"
    assert document["metrics"]["costUSD"] + document["metrics"]["inDoubt"]["costUSD"] >= model.dollars


@MODEL_AGENTS
async def test_the_call_of_a_cancelled_task_is_counted(claude: Claude, agent: str) -> None:
    model = Billing(slow_turn=2)
    claude.script(model)
    plan = {"agent": agent, "constraints": BUDGET, "tasks": tasks({"id": "a"})}
    handle = await claude.start(plan)
    await model.is_in_slow_call()
    await handle.cancel()
    await claude.end(handle, plan)
    document = await check_agreement(claude, handle, 1)
    assert document["results"][0]["status"] == "cancelled"
    assert document["metrics"]["costUSD"] + document["metrics"]["inDoubt"]["costUSD"] >= model.dollars


async def test_the_call_that_a_time_limit_ends_is_counted_in_the_next_attempt_too(claude: Claude) -> None:
    model = Billing(slow_turn=2)
    claude.script(model)
    limits = {**BUDGET, "resourceLimits": {"maxDurationMs": 15_000}}
    plan = {"agent": "claude-code", "strategy": "conservative", "constraints": limits, "tasks": tasks({"id": "a"})}
    handle = await claude.start(plan)
    await claude.end(handle, plan)
    document = await check_agreement(claude, handle, 1)
    # The attempt after it goes on with the session.
    assert (document["status"], document["results"][0]["attempts"]) == ("succeeded", 2)
    assert document["metrics"]["costUSD"] + document["metrics"]["inDoubt"]["costUSD"] >= model.dollars


@MODEL_AGENTS
async def test_of_an_answer_that_was_cut_its_beginning_is_known_and_its_rest_in_doubt(
    claude: Claude, agent: str
) -> None:
    cuts = [Turn("Now.", input_tokens=50_000, output_tokens=3_000, cut_after=4)] * 2
    claude.script(lambda *_: cuts.pop() if cuts else Turn("Done."))
    handle = await claude.start({"agent": agent, "constraints": BUDGET, "tasks": tasks({"id": "a"})})
    await claude.end(handle, {"agent": agent, "tasks": tasks({"id": "a"})})
    document, _ = await look(claude, handle)
    usage = document["results"][0]["usage"]
    # Each cut answer had told of what it had read and of its first token.
    assert (usage["requests"], usage["inputTokens"], usage["outputTokens"]) == (1, 100_100, 22)
    assert usage["inDoubt"] == {"calls": 2, "tokens": 2 * 15_999, "costUSD": pytest.approx(2 * 15_999 * 10 / 1e6)}
