"""Workflow that limits the calls of one API account, for every worker that has the account's key."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import VersioningBehavior
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from epw.core import failures
    from epw.core.account_limiter import AccountLimiter, AccountState, LeaseRequest
    from workflows.clock import now

RATE_LIMIT = "RateLimitWorkflow"
LEASE = "lease"
MAX_UPDATES = 1_000
_MAX_IDLE = timedelta(hours=1)


@workflow.defn(name=RATE_LIMIT)
class RateLimitWorkflow:
    """Input: None, or the state of the previous run. Id: `rate-limit-<provider>-<fingerprint of the key>`.

    Ends after an hour without a request; the next request starts it again.
    """

    @workflow.init
    def __init__(self, state: Any = None) -> None:
        self._account = AccountLimiter(AccountState.read(state) if state is not None else None)
        self._requests = 0

    @workflow.run
    async def run(self, state: Any = None) -> None:
        while True:
            before = self._requests
            try:
                await workflow.wait_condition(lambda: self._requests >= MAX_UPDATES, timeout=_MAX_IDLE)
            except TimeoutError:
                if self._requests == before and not self._account.is_blocked(now()):
                    return
                continue
            await workflow.wait_condition(workflow.all_handlers_finished)
            workflow.continue_as_new(self._account.state().model_dump(by_alias=True, mode="json"))

    @workflow.update(name=LEASE)
    def lease(self, request: Any) -> dict[str, Any]:
        """Grant slots for a worker's calls: a `LeaseRequest` gives a `Lease`."""
        self._requests += 1
        try:
            message = LeaseRequest.model_validate(request)
        except ValidationError as error:
            raise ApplicationError(str(error), type=failures.INVALID_REQUEST.type, non_retryable=True) from None
        return self._account.lease(message, now()).model_dump(by_alias=True)


@workflow.defn(name=RATE_LIMIT, versioning_behavior=VersioningBehavior.AUTO_UPGRADE)
class VersionedRateLimitWorkflow(RateLimitWorkflow):
    """The same for workers with a version: it serves executions of all of them, so it is bound to none.

    Workers without a version may not say so.
    """

    @workflow.init
    def __init__(self, state: Any = None) -> None:
        super().__init__(state)

    @workflow.run
    async def run(self, state: Any = None) -> None:
        await super().run(state)
