"""The difference between this machine's clock and the server's."""

from __future__ import annotations

import time

import pytest
from temporalio.testing import WorkflowEnvironment

from activities.system import server_time
from epw.service.server_clock import ahead


@pytest.mark.parametrize("seconds", [3600, -3600, 0])
async def test_a_clock_that_is_off_is_found_out_by_what_the_server_says(
    server: WorkflowEnvironment, seconds: float
) -> None:
    found = await ahead(server.client, lambda: time.time() + seconds)
    assert found == pytest.approx(seconds, abs=2)
    assert found == 0 or seconds


def test_times_are_told_as_the_server_has_them() -> None:
    try:
        server_time.set_ahead(3600)
        assert server_time.server_time() == pytest.approx(time.time() - 3600, abs=10)
        assert server_time.server_ms() == pytest.approx(server_time.server_time() * 1000, abs=10_000)
        assert server_time.began_ms() < server_time.server_ms()
    finally:
        server_time.set_ahead(0)
