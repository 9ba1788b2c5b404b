"""Rejections by the API: what each means, to the second, and who hears of it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from activities.model_api.answer import Used
from activities.model_api.api import Rejected, may_have_arrived, rejection
from activities.model_api.budget_ledger import BudgetLedger
from activities.model_api.calling_attempt import CallingAttempt
from activities.model_api.calls import Calls
from activities.model_api.prices import Prices
from activities.model_api.rate_client import AccountBlocked
from activities.model_api.waiting import WaitClock
from epw.core.account_limiter import Limits
from epw.core.errors import TaskFailed
from epw.core.messages import InDoubt, Usage
from epw.core.plan.parts import Budget


def rejected(status: int, *, after: str | None = None, message: str = "no", reset: float | None = None) -> Rejected:
    headers = {} if after is None else {"retry-after": after}
    if reset is not None:
        moment = datetime.now(UTC) + timedelta(seconds=reset)
        headers |= {"anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": moment.isoformat()}
    return rejection(status, headers, {"error": {"type": "an_error", "message": message}})


@pytest.mark.parametrize(
    ("status", "after", "kind", "wait"),
    [
        (429, None, "rate", None),
        (429, "0", "rate", 0),
        (429, "299", "rate", 299),
        (429, "300", "rate", 300),
        (429, "301", "usage-limit", 301),
        (429, "nonsense", "rate", None),
        (529, None, "rate", None),
        (529, "3", "rate", 3),
        # The server has too much to do; the account has not.
        (529, "301", "rate", 301),
        (500, "301", "passing", 301),
        (503, None, "passing", None),
        (408, None, "passing", None),
        (409, None, "passing", None),
        (400, None, "final", None),
        (401, None, "final", None),
        (403, None, "final", None),
        (404, None, "final", None),
        (413, None, "final", None),
    ],
)
def test_a_status_and_the_seconds_that_it_names(status: int, after: str | None, kind: str, wait: float | None) -> None:
    found = rejected(status, after=after)
    assert (found.kind, found.wait) == (kind, wait)


@pytest.mark.parametrize(("seconds", "kind"), [(299, "rate"), (302, "usage-limit")])
def test_a_moment_more_than_five_minutes_ahead_is_a_usage_limit_however_it_is_named(seconds: int, kind: str) -> None:
    moment = time.time() + seconds
    as_text = datetime.fromtimestamp(moment, UTC).isoformat()
    as_date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(moment))
    for found in (
        rejected(429, message=f"resets at {as_text}"),
        rejected(429, message=f"usage limit reached|{int(moment)}"),
        rejected(429, reset=seconds),
        rejected(429, after=as_date),
    ):
        assert found.kind == kind, found
    assert rejected(529, message=f"resets at {as_text}", reset=seconds).kind == "rate"


@pytest.mark.parametrize("status", [400, 402, 403])
def test_exhausted_credit_is_told_from_other_refusals(status: int) -> None:
    assert rejected(status, message="Your credit balance is too low").kind == "credit"


class _Gate:
    """An account that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, float | None]] = []

    async def enter(self, tokens: int) -> None:
        self.told.append(("enter", None))

    def succeeded(self, tokens_beyond: int) -> None:
        self.told.append(("succeeded", None))

    def throttled(self, wait: float | None) -> None:
        self.told.append(("throttled", wait))

    def block(self, until: float, message: str) -> None:
        self.told.append(("blocked", round(until - time.time())))

    def close(self, message: str) -> None:
        self.told.append(("closed", None))


async def made(
    tmp_path: Path, *refusals: Rejected, budget: Budget | None = None
) -> tuple[str, list[tuple[str, float | None]]]:
    """End of a call that is rejected so often, and what the account has heard."""
    reported: list[Any] = []
    caller = CallingAttempt(
        execution_id="execution",
        task_id="a",
        ledger=tmp_path / "ledger.json",
        budget=budget or Budget(),
        limits=lambda provider: Limits(),
        waited=WaitClock(),
        report=reported.append,
        used=lambda usage: None,
    )
    gate, coming = _Gate(), list(refusals)

    async def send(most: int, used: Used) -> str:
        if coming:
            raise coming.pop(0)
        used.counts, used.is_whole = {"input_tokens": 7}, True
        return "answered"

    try:
        end = await Calls(caller, gate, Prices({})).make("key", "model", 100, 1000, send)
    except TaskFailed as failed:
        end = failed.type
    except AccountBlocked:
        end = "usage limit"
    return end, [each for each in gate.told if each[0] != "enter"]


@pytest.mark.parametrize("status", [429, 529])
async def test_both_slow_down_everyone_and_are_no_failure_however_many(tmp_path: Path, status: int) -> None:
    end, told = await made(tmp_path, *[rejected(status, after="0")] * 30, rejected(status, after="300"))
    assert end == "answered"
    assert told == [*[("throttled", 0)] * 30, ("throttled", 300), ("succeeded", None)]


async def test_a_usage_limit_ends_the_attempt_and_blocks_the_account_until_its_end(tmp_path: Path) -> None:
    assert await made(tmp_path, rejected(429, after="301")) == ("usage limit", [("blocked", 301)])


async def test_others_do_not_slow_down_anybody(tmp_path: Path) -> None:
    passing = rejected(503, after="0.001")
    assert await made(tmp_path, *[passing] * 10) == ("answered", [("succeeded", None)])
    assert await made(tmp_path, *[passing] * 11) == ("ApiUnavailable", [])
    assert await made(tmp_path, rejected(404)) == ("ApiError", [])
    assert await made(tmp_path, rejected(403, message="credit")) == ("SpendLimit", [("closed", None)])


async def test_a_refused_call_costs_nothing_and_one_that_may_have_arrived_is_in_doubt(tmp_path: Path) -> None:
    arrived = Rejected("passing", "the connection was lost", 0.001, may_cost=True)
    end, _ = await made(tmp_path, rejected(503, after="0.001"), arrived, rejected(429, after="0"))
    assert end == "answered"
    usage = BudgetLedger.usages(tmp_path / "ledger.json")["a"]
    # Of an unknown model.
    assert usage == Usage(requests=1, input_tokens=7, in_doubt=InDoubt(calls=1, tokens=1100))


async def test_a_budget_in_dollars_is_not_ignored_where_no_price_is_known(tmp_path: Path) -> None:
    """A plan with one is refused; a person can set one while it runs."""
    assert await made(tmp_path, budget=Budget(max_cost_usd=5)) == ("BudgetLimit", [])
    assert await made(tmp_path, budget=Budget(max_tokens=5_000)) == ("answered", [("succeeded", None)])


async def test_who_cannot_be_reached_has_got_no_call() -> None:
    async with httpx2.AsyncClient() as client:
        with pytest.raises(httpx2.ConnectError) as refused:
            await client.get("http://127.0.0.1:1")
    assert not may_have_arrived(refused.value)
    assert may_have_arrived(httpx2.ReadTimeout("no answer"))
