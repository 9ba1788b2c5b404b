"""A task's calls of a model: each within the budget, the account's rate and its usage limits, and made again where
that helps. Shared by everything that calls, so that there is one account of it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from activities.model_api.api import Rejected
from activities.model_api.budget_ledger import BudgetLedger, BudgetSpent
from activities.model_api.prices import Price, Prices
from activities.model_api.rate_client import AccountBlocked, AccountClosed, Gate
from activities.model_api.waiting import WaitClock
from epw.core import failures
from epw.core.account_limiter import Limits
from epw.core.errors import TaskFailed
from epw.core.plan.model import Budget

_MIN_OUTPUT_TOKENS = 1_024
_MAX_PASSING = 10

A = TypeVar("A")
Used = dict[str, int]
"""Token counts, by the API's names; filled in while an answer comes, so that one that is cut has its cost too."""


class Caller(Protocol):
    """Attempt that calls a model: whose budget it is, and whom to tell of what it waits for."""

    @property
    def execution_id(self) -> str: ...

    @property
    def ledger(self) -> Path:
        """File of the budget ledger of its execution."""
        ...

    @property
    def budget(self) -> Budget: ...

    @property
    def waited(self) -> WaitClock:
        """Time that it has waited for the account."""
        ...

    @property
    def report(self) -> Callable[[dict[str, Any]], None]:
        """Takes fields of `AgentProgress`."""
        ...

    def limits(self, provider: str) -> Limits:
        """What the plan allows the account."""
        ...


class Calls:
    """What one attempt may call; `prices`: of every model."""

    def __init__(self, work: Caller, gate: Gate, prices: Prices) -> None:
        self._work = work
        self._gate = gate
        self._prices = prices
        self._ledger = BudgetLedger(work.ledger, work.budget)

    @property
    def keeps_cost(self) -> bool:
        """Whether every call's cost must be known."""
        return self._work.budget.max_cost_usd is not None

    def price(self, model: str) -> Price | None:
        return self._prices.of(model)

    async def make(
        self, key: str, model: str, input_tokens: int, output_tokens: int, send: Callable[[int, Used], Awaitable[A]]
    ) -> A:
        """The answer of `send`, which is told how many tokens the model may answer, counts what it uses, and raises
        `Rejected`.

        `key` names the call; `input_tokens` and `output_tokens` are the most that it can use. Raises `BudgetSpent`,
        `AccountBlocked` (a usage limit), or `TaskFailed`: `SpendLimit`, `ApiError`, `ApiUnavailable`.
        """
        price, passing = self.price(model), 0
        while True:
            with self._waiting():
                most = await self._reserved(key, price, input_tokens, output_tokens)
            used: Used = {}
            try:
                with self._waiting():
                    await self._enter(input_tokens // 4 + most // 8)
                answer = await send(most, used)
            except Rejected as rejected:
                with self._waiting():
                    await self._wait(rejected, passing)
                passing = passing + 1 if rejected.kind == "passing" else passing
                continue
            finally:
                self._ledger.settle(key, sum(used.values()), price.cost(used) if price else 0.0)
            self._gate.succeeded(sum(used.values()))
            return answer

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """Time that is no work of the agent's."""
        waited = self._work.waited
        waited.begin()
        try:
            yield
        finally:
            waited.end()

    async def _enter(self, tokens: int) -> None:
        """Wait for the account's slot."""
        try:
            await self._gate.enter(tokens)
        except AccountClosed as closed:
            raise TaskFailed(failures.SPEND_LIMIT, str(closed)) from None

    async def _reserved(self, key: str, price: Price | None, input_tokens: int, output: int) -> int:
        """How long the answer may be: near the budget's end no longer than leaves something to the others."""
        tokens, dollars = self._ledger.unspent()
        while True:
            cost = price.most(input_tokens, output) if price else 0.0
            is_dear = (dollars is not None and cost > dollars / 2) or (
                tokens is not None and input_tokens + output > tokens / 2
            )
            if is_dear and output > _MIN_OUTPUT_TOKENS:
                output = max(_MIN_OUTPUT_TOKENS, output // 2)
                continue
            try:
                await self._ledger.reserve(key, input_tokens + output, cost)
            except BudgetSpent:
                # What was left when it was looked at, others have spent.
                if output <= _MIN_OUTPUT_TOKENS:
                    raise
                output = max(_MIN_OUTPUT_TOKENS, output // 2)
                continue
            return output

    async def _wait(self, rejected: Rejected, passing: int) -> None:
        """Until it may be tried again; raises where it may not."""
        if rejected.kind == "final":
            raise TaskFailed(failures.API_ERROR, str(rejected))
        if rejected.kind == "credit":
            self._gate.close(str(rejected))
            raise TaskFailed(failures.SPEND_LIMIT, str(rejected))
        if rejected.kind == "usage-limit":
            until = time.time() + (rejected.wait or 0)
            self._gate.block(until, str(rejected))
            raise AccountBlocked(until, str(rejected))
        self._work.report({"operation": f"waiting for the API: {rejected}"[:200]})
        if rejected.kind == "rate":
            self._gate.throttled(rejected.wait)
            return
        if passing >= _MAX_PASSING:
            raise TaskFailed(failures.API_UNAVAILABLE, f"{passing} calls in a row failed, the last: {rejected}")
        # The seed of a delay matters to nobody: it only keeps agents from calling all at once.
        await asyncio.sleep(rejected.wait or min(60.0, 0.5 * 2**passing) * random.uniform(0.5, 1.0))
