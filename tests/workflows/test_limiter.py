"""The limiter workflow on a real server: asked by workers, and going on as a new run with all that it knows."""

from __future__ import annotations

import asyncio
import uuid

from epw.core.account_limiter import LeaseRequest, Limits
from epw.service.limiter import limiter
from tests.support import Harness
from workflows.rate_limit import MAX_UPDATES


async def test_it_goes_on_as_a_new_run_and_forgets_nothing(harness: Harness) -> None:
    identifier = f"rate-limit-test-{uuid.uuid4().hex}"
    ask = limiter(harness.client, harness.queue, identifier)
    slow = {"x": Limits(requests_per_minute=1)}
    async with harness.working():
        first = await ask(LeaseRequest(worker="a", waiting=[1], executions=slow))
        assert first.slots == [0]
        run = (await harness.client.get_workflow_handle(identifier).describe()).run_id
        for _ in range(MAX_UPDATES // 8 + 1):
            await asyncio.gather(*(ask(LeaseRequest(worker="b")) for _ in range(8)), return_exceptions=True)
        again = await ask(LeaseRequest(worker="a", waiting=[1]))
        described = await harness.client.get_workflow_handle(identifier).describe()
    assert described.run_id != run
    # A minute lies between two calls.
    assert (again.slots, again.free_for_ms) == ([], 0)
