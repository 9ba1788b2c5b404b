"""Calls of a model by one attempt: within the budget and the account's limits, and repeated after temporary errors."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from activities.model_api.answer import Used
from activities.model_api.api import Rejected
from activities.model_api.budget_ledger import BudgetLedger, BudgetSpent
from activities.model_api.calling_attempt import CallingAttempt
from activities.model_api.observer import ModelObserver
from activities.model_api.prices import Price, Prices
from activities.model_api.rate_client import AccountBlocked, AccountClosed, Gate
from activities.system.server_time import server_time
from epw.core import failures
from epw.core.errors import TaskFailed
from epw.core.messages import Usage

_MIN_OUTPUT_TOKENS = 1_024
_MAX_PASSING = 10

A = TypeVar("A")


class Calls:
    """The only way for an attempt to call a model."""

    def __init__(self, caller: CallingAttempt, gate: Gate, prices: Prices) -> None:
        self._caller = caller
        self._gate = gate
        self._prices = prices
        self._ledger = BudgetLedger(caller.ledger, caller.budget)
        self._observer = ModelObserver()
        caller.used(self._ledger.usage(caller.task_id))

    @property
    def keeps_cost(self) -> bool:
        """Whether the budget is in dollars, so that every call needs a known price."""
        return self._caller.budget.max_cost_usd is not None

    def price(self, model: str) -> Price | None:
        return self._prices.of(model)

    async def make(
        self, key: str, model: str, input_tokens: int, output_tokens: int, send: Callable[[int, Used], Awaitable[A]]
    ) -> A:
        """Call the model by `send`, and return its result.

        `send` takes the maximum of output tokens, fills in what is used, and raises `Rejected`. `key` identifies the
        call; `input_tokens` and `output_tokens` are upper bounds. Raises `BudgetSpent`, `AccountBlocked` (a usage
        limit), or `TaskFailed`: `SpendLimit`, `ApiError`, `ApiUnavailable`, `BudgetLimit` (without a price).
        """
        price, passing = self.price(model), 0
        if price is None and self.keeps_cost:
            # A plan that has such a budget is refused at its start; a person may have given one since.
            message = f"{model} has no known price, and the execution has a budget in dollars: set one in tokens"
            raise TaskFailed(failures.BUDGET_LIMIT, message)
        while True:
            with self._waiting():
                max_output = await self._reserve(key, price, input_tokens, output_tokens)
            try:
                return await self._send(key, model, price, input_tokens, max_output, send)
            except Rejected as rejected:
                with self._waiting():
                    await self._wait(rejected, passing)
                passing = passing + 1 if rejected.kind == "passing" else passing

    async def _send(
        self,
        key: str,
        model: str,
        price: Price | None,
        input_tokens: int,
        output: int,
        send: Callable[[int, Used], Awaitable[A]],
    ) -> A:
        """Make the call that is reserved, and settle what it has cost, however it ends."""
        used, may_cost = Used(), False
        try:
            with self._waiting():
                await self._enter(input_tokens // 4 + output // 8)
            self._ledger.sent(key)
            may_cost = True
            with self._observer.call(model, used):
                answer = await send(output, used)
        except Rejected as rejected:
            may_cost = rejected.may_cost
            raise
        finally:
            self._settle(key, price, input_tokens, output, used, may_cost=may_cost)
        self._gate.succeeded(sum(used.counts.values()))
        return answer

    def _settle(
        self, key: str, price: Price | None, input_tokens: int, output: int, used: Used, *, may_cost: bool
    ) -> None:
        """Replace the reservation of a call by what is known of its cost, and what is not."""
        counts, task_id = used.counts, self._caller.task_id
        read = sum(counts.values()) - counts.get("output_tokens", 0)
        known = Usage(
            requests=1 if used.is_whole else 0,
            input_tokens=read,
            output_tokens=counts.get("output_tokens", 0),
            cost_usd=price.cost(counts) if price else None,
        )
        if used.is_whole and counts:
            self._caller.used(self._ledger.settle(key, task_id, known))
        elif used.is_whole or not may_cost:
            self._ledger.release(key)
        else:
            tokens, cost = input_tokens + output, price.max_cost(input_tokens, output) if price else 0.0
            if counts:
                # The API has said what it has read: only the rest of the answer is unknown.
                tokens = max(0, output - known.output_tokens)
                most = price.cost({**counts, "output_tokens": output}) if price else 0.0
                cost = max(0.0, most - (known.cost_usd or 0.0))
            self._caller.used(self._ledger.lose(key, task_id, known, tokens, cost))

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """Count the time of the block as waiting."""
        waited = self._caller.waited
        waited.begin()
        try:
            yield
        finally:
            waited.end()

    async def _enter(self, tokens: int) -> None:
        """Wait for a slot of the account."""
        try:
            await self._gate.enter(tokens)
        except AccountClosed as closed:
            raise TaskFailed(failures.SPEND_LIMIT, str(closed)) from None

    async def _reserve(self, key: str, price: Price | None, input_tokens: int, output: int) -> int:
        """Reserve the cost of the call; returns the maximum of output tokens, less near the end of the budget."""
        tokens, dollars = self._ledger.unspent()
        while True:
            cost = price.max_cost(input_tokens, output) if price else 0.0
            takes_more_than_half = (dollars is not None and cost > dollars / 2) or (
                tokens is not None and input_tokens + output > tokens / 2
            )
            if takes_more_than_half and output > _MIN_OUTPUT_TOKENS:
                output = max(_MIN_OUTPUT_TOKENS, output // 2)
                continue
            try:
                await self._ledger.reserve(key, self._caller.task_id, input_tokens + output, cost)
            except BudgetSpent:
                # Others have spent what was left a moment ago.
                if output <= _MIN_OUTPUT_TOKENS:
                    raise
                output = max(_MIN_OUTPUT_TOKENS, output // 2)
                continue
            return output

    async def _wait(self, rejected: Rejected, passing: int) -> None:
        """Wait until the call may be repeated; raises where it may not."""
        if rejected.kind == "final":
            raise TaskFailed(failures.API_ERROR, str(rejected))
        if rejected.kind == "credit":
            self._gate.close(str(rejected))
            raise TaskFailed(failures.SPEND_LIMIT, str(rejected))
        if rejected.kind == "usage-limit":
            until = server_time() + (rejected.wait or 0)
            self._gate.block(until, str(rejected))
            raise AccountBlocked(until, str(rejected))
        self._caller.report({"operation": f"waiting for the API: {rejected}"[:200]})
        if rejected.kind == "rate":
            self._gate.throttled(rejected.wait)
            return
        if passing >= _MAX_PASSING:
            raise TaskFailed(failures.API_UNAVAILABLE, f"{passing} calls in a row failed, the last: {rejected}")
        # A random delay keeps agents from calling all at once.
        await asyncio.sleep(rejected.wait or min(60.0, 0.5 * 2**passing) * random.uniform(0.5, 1.0))
