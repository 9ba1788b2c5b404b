"""Budgets of an execution: kept over agents and restarts, asked about, ended by."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError

from activities.model_api.budget_ledger import BudgetLedger
from epw.core.errors import InvalidRequest
from epw.core.execution.budget_policy import parse_budget
from epw.core.plan.parts import Budget
from epw.core.report.spending import in_words
from tests.messages_api import Turn
from tests.scripted import Claude
from tests.support import eventually, status_of, statuses, tasks, until


def endless(task: str, turn: int, request: dict[str, Any]) -> Turn:
    """A model that never finishes; 0.4 cents of input and 3 cents of output a turn."""
    call = ("report_progress", {"percent": turn % 100, "operation": f"turn {turn}"})
    return Turn(calls=[call], input_tokens=2_000, output_tokens=min(3_000, request["max_tokens"]), seconds=0.05)


def spent(claude: Claude) -> float:
    """Dollars spent, by the scripted server's own count."""
    read, written = claude.api.tokens()
    return (read * 2 + written * 10) / 1e6


async def test_ten_agents_keep_a_dollar_over_a_restart(idle_claude: Claude) -> None:
    claude = idle_claude
    claude.script(endless)
    rows = tasks(*({"id": f"t{n}"} for n in range(12)), {"id": "after", "dependsOn": ["t0"]})
    budget = {"budget": {"maxCostUSD": 1}}
    plan = {"maxAgents": 10, "constraints": budget, "onQuestion": {"wait": False}, "tasks": rows}
    handle = await claude.start(plan)
    async with claude.worker() as worker:
        await eventually(lambda: spent(claude) >= 0.4)
        worker.send_signal(signal.SIGKILL)
        await worker.wait()
    # What the dead worker's calls have cost nobody knows: they count as the most that they may.
    (ledger,) = claude.home.glob("**/ledger.json")
    in_doubt = sum(usage.in_doubt.cost_usd or 0 for usage in BudgetLedger.usages(ledger).values() if usage.in_doubt)
    async with claude.worker():
        document = await claude.end(handle, plan)
    assert document["status"] == "failed"
    assert spent(claude) <= 1.0
    assert spent(claude) + in_doubt > 0.5
    # None, where every call had its answer when the worker was killed.
    known, doubt = document["metrics"]["costUSD"], document["metrics"].get("inDoubt")
    most = doubt["costUSD"] if doubt else 0.0
    assert known <= spent(claude) + 1e-9 <= known + most + 2e-9
    assert most >= in_doubt - 1e-6
    messages = [row["error"]["message"] for row in document["results"][:10]]
    said = f"of $1.00 are spent, and {in_words(doubt)}" if doubt else "of $1.00 are spent"
    assert all(said in each for each in messages), messages
    ends = statuses(document)
    assert [ends[f"t{n}"] for n in range(10)] == ["failed"] * 10
    assert [ends["t10"], ends["t11"], ends["after"]] == ["skipped"] * 3
    assert {row["error"]["type"] for row in document["results"]} == {"BudgetLimit", "Skipped"}


async def test_the_execution_asks_for_more_and_goes_on_with_it(claude: Claude) -> None:
    def script(task: str, turn: int, request: dict[str, Any]) -> Turn:
        return endless(task, turn, request) if turn < 4 else Turn(calls=[("finish", {"summary": "done"})])

    claude.script(script)
    plan = {"maxAgents": 2, "constraints": {"budget": {"maxCostUSD": 0.15}}, "tasks": tasks({"id": "a"}, {"id": "b"})}
    handle = await claude.start(plan)
    await until(handle, lambda now: set(status_of(now).values()) == {"waiting"})
    (asked,) = await handle.query("questions")
    assert "$0.15" in asked["text"]
    for nonsense in ("perhaps", "0.1"):
        with pytest.raises(WorkflowUpdateFailedError):
            await handle.execute_update("answer", {"questionId": asked["id"], "text": nonsense})
    await handle.execute_update("answer", {"questionId": asked["id"], "text": "5"})
    document = await claude.end(handle, plan)
    assert document["status"] == "succeeded"
    assert [row["attempts"] for row in document["results"]] == [1, 1]
    # Nothing was paid for twice.
    assert set(claude.api.served().values()) == {1}


async def test_cut_answers_cost_what_they_have_cost(claude: Claude) -> None:
    cuts = [Turn("Now.", input_tokens=50_000, cut_after=4)] * 4
    claude.script(lambda *_: cuts.pop() if cuts else Turn(calls=[("finish", {"summary": "done"})]))
    budget = {"budget": {"maxTokens": 150_500}}
    document = await claude.run({"constraints": budget, "onQuestion": {"wait": False}, "tasks": tasks({"id": "a"})})
    assert document["results"][0]["error"]["type"] == "BudgetLimit"
    assert len(claude.api.calls) == 3


async def test_nobody_ends_for_a_budget_that_is_only_reserved(claude: Claude) -> None:
    def script(task: str, turn: int, request: dict[str, Any]) -> Turn:
        call = ("report_progress", {"percent": 1}) if turn < 1 else ("finish", {"summary": "done"})
        return Turn(calls=[call], input_tokens=2_000, output_tokens=3_000, seconds=0.5)

    claude.script(script)
    plan = {"maxAgents": 10, "constraints": {"budget": {"maxCostUSD": 1}}, "onQuestion": {"wait": False}}
    document = await claude.run({**plan, "tasks": tasks(*({"id": f"t{n}"} for n in range(10)))})
    assert document["status"] == "succeeded", statuses(document)
    assert spent(claude) == pytest.approx(0.68)


async def test_who_was_told_of_the_old_budget_goes_on_with_the_raised_one(claude: Claude) -> None:
    def script(task: str, turn: int, request: dict[str, Any]) -> Turn:
        if turn >= 12:
            return Turn(calls=[("finish", {"summary": "done"})])
        call: tuple[str, dict[str, Any]] = ("report_progress", {"percent": turn})
        if task == "b" and turn == 0:
            call = ("Bash", {"command": "sleep 8"})
        return Turn(calls=[call], input_tokens=2_000, output_tokens=min(3_000, request["max_tokens"]), seconds=0.05)

    claude.script(script)
    rows = tasks({"id": "b"}, {"id": "a"})
    plan = {"maxAgents": 2, "constraints": {"budget": {"maxCostUSD": 0.12}}, "tasks": rows}
    handle = await claude.start(plan)
    await until(handle, lambda now: status_of(now)["a"] == "waiting")
    await handle.execute_update("answer", {"questionId": "q1", "text": "5"})
    document = await claude.end(handle, plan)
    assert document["status"] == "succeeded"
    assert len(document["questions"]) == 1


async def test_a_conservative_plan_that_runs_out_says_so_of_every_task(claude: Claude) -> None:
    claude.script(endless)
    budget = {"budget": {"maxCostUSD": 0.5}}
    plan = {"strategy": "conservative", "maxAgents": 3, "constraints": budget, "onQuestion": {"wait": False}}
    document = await claude.run({**plan, "tasks": tasks(*({"id": f"t{n}"} for n in range(4)))})
    assert [row["error"]["type"] for row in document["results"]] == [*["BudgetLimit"] * 3, "Skipped"]


async def test_stop_ends_it_and_what_has_landed_is_delivered(claude: Claude) -> None:
    claude.script(
        lambda task, *more: Turn(calls=[("finish", {"summary": "d"})]) if task == "a" else endless("b", *more)
    )
    rows = tasks({"id": "a"}, {"id": "b", "dependsOn": ["a"]}, {"id": "c", "dependsOn": ["b"]})
    plan = {"maxAgents": 1, "constraints": {"budget": {"maxTokens": 60_000}}, "tasks": rows}
    handle = await claude.start(plan)
    await until(handle, lambda now: status_of(now)["b"] == "waiting")
    (asked,) = await handle.query("questions")
    assert asked["options"] == ["stop"]
    await handle.execute_update("answer", {"questionId": asked["id"], "text": "stop"})
    document = await claude.end(handle, plan)
    assert statuses(document) == {"a": "succeeded", "b": "failed", "c": "skipped"}
    assert document["status"] == "partial"
    assert sum(claude.api.tokens()) <= 60_000
    # Near its end answers are allowed to be shorter.
    allowed = [call.request["max_tokens"] for call in claude.api.calls]
    assert allowed == sorted(allowed, reverse=True)
    assert (allowed[0], allowed[-1] >= 1024) == (16_000, True)
    assert allowed[-1] < 8_000


@pytest.mark.parametrize(
    ("budget", "is_shorter"), [(None, False), ({"maxCostUSD": 100}, False), ({"maxCostUSD": 0.3}, True)]
)
async def test_claude_code_too_may_answer_less_when_little_is_left(
    claude: Claude, budget: dict[str, float] | None, is_shorter: bool
) -> None:
    claude.script(lambda *_: Turn("Done."))
    plan = {"agent": "claude-code", "constraints": {"budget": budget} if budget else {}, "tasks": tasks({"id": "a"})}
    document = await claude.run(plan)
    assert document["status"] == "succeeded", document["results"]
    (call,) = claude.api.calls
    assert (1024 <= call.request["max_tokens"] < 16_000) if is_shorter else (call.request["max_tokens"] == 16_000)


async def test_prices_of_the_state_directory_count_over_the_published_ones(claude: Claude) -> None:
    rates = {"input": 1000, "output": 5000, "cacheRead": 0, "cacheWrite": 0}
    own = claude.home / "prices.json"
    own.write_text(json.dumps({"claude-sonnet-5-5": rates, "claude-unheard-of-9": rates}))
    try:
        for model in ("claude-sonnet-5-5", "claude-unheard-of-9"):
            claude.script({})
            budget = {"budget": {"maxCostUSD": 1000}}
            document = await claude.run({"model": model, "constraints": budget, "tasks": tasks({"id": "a"})})
            # 100 tokens read, 20 written.
            assert document["results"][0]["usage"]["costUSD"] == pytest.approx(0.2), document["results"]
    finally:
        own.unlink()


async def test_a_model_without_a_price_cannot_be_kept_within_dollars(claude: Claude) -> None:
    plan = {"agent": "claude", "model": "claude-unheard-of-9", "tasks": tasks({"id": "a"})}
    bounded = claude.site.cli.plan({**plan, "constraints": {"budget": {"maxCostUSD": 1}}})
    done = await asyncio.to_thread(claude.site.cli, "run", bounded, code=2)
    assert "no known price" in done.stderr
    claude.script({})
    document = await claude.run({"model": "claude-unheard-of-9", "tasks": tasks({"id": "a"})})
    assert document["results"][0]["usage"]["costUSD"] is None
    assert document["results"][0]["usage"]["inputTokens"] == 100


def test_answers_about_a_budget() -> None:
    both = Budget(max_cost_usd=1, max_tokens=1000)
    assert parse_budget(both, "$2.50") == Budget(max_cost_usd=2.5, max_tokens=1000)
    assert parse_budget(both, "2000 tokens") == Budget(max_cost_usd=1, max_tokens=2000)
    assert parse_budget(Budget(max_tokens=10), "20") == Budget(max_tokens=20)
    assert parse_budget(both, " Stop ") is None
    for text in ("0.5", "lots", "", "-3", "1e9", "NaN"):
        with pytest.raises(InvalidRequest):
            parse_budget(both, text)
