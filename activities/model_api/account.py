"""The worker's API account: one limiter for all that calls by it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from activities.model_api.api import PROVIDER, Api
from activities.model_api.calls import Caller, Calls
from activities.model_api.prices import Prices
from activities.model_api.rate_client import Ask, ExecutionGate, RateClient


class ApiAccount:
    """`ask`: how to ask the limiter of a workflow id."""

    def __init__(self, home: Path, ask: Callable[[str], Ask]) -> None:
        self.api = Api()
        self._home = home
        self._fingerprint = Api.account()
        self._limiter = RateClient(ask(f"rate-limit-{PROVIDER}-{self._fingerprint}"))

    def calls(self, work: Caller) -> Calls:
        """What an attempt may call."""
        closed = work.ledger.with_name(f"credit-exhausted-{self._fingerprint}")
        gate = ExecutionGate(self._limiter, work.execution_id, work.limits(PROVIDER), closed)
        return Calls(work, gate, Prices.read(self._home))
