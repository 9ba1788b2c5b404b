"""The worker's API account, shared by all agents that call a model."""

from __future__ import annotations

from collections.abc import Callable

from activities.model_api.api import PROVIDER, Api
from activities.model_api.calling_attempt import CallingAttempt
from activities.model_api.calls import Calls
from activities.model_api.prices import Prices
from activities.model_api.rate_client import Ask, ExecutionGate, RateClient
from activities.state.state_directory import StateDirectory


class ApiAccount:
    """One key, and the connection to its rate limiter."""

    def __init__(self, state: StateDirectory, ask: Callable[[str], Ask]) -> None:
        """`ask`: gives the connection to the limiter of a workflow id."""
        self.api = Api()
        self._state = state
        self._fingerprint = Api.account()
        self._limiter = RateClient(ask(f"rate-limit-{PROVIDER}-{self._fingerprint}"))

    def calls(self, caller: CallingAttempt) -> Calls:
        """The calls of one attempt."""
        closed = caller.ledger.with_name(f"credit-exhausted-{self._fingerprint}")
        gate = ExecutionGate(self._limiter, caller.execution_id, caller.limits(PROVIDER), closed)
        return Calls(caller, gate, Prices.read(self._state))
