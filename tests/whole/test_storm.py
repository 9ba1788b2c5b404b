"""Thousands of short attempts side by side: none is ended, or reaped, by the end of another."""

from __future__ import annotations

import psutil
import pytest

from tests.site import Site
from tests.support import tasks

ROUNDS, TASKS, AGENTS = 5, 1000, 16


@pytest.mark.slow
async def test_five_thousand_commands_that_do_nothing_succeed_at_once(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    before = psutil.cpu_times()
    for number in range(ROUNDS):
        rows = tasks(*({"id": f"t{n}", "run": "true"} for n in range(TASKS)))
        plan = {"strategy": "aggressive", "maxAgents": AGENTS, "tasks": rows}
        document = await site.run(plan, f"storm-{number}", [], 300)
        bad = [row for row in document["results"] if row["status"] != "succeeded" or row["attempts"] != 1]
        assert bad == []
    after = psutil.cpu_times()
    spent = (after.user + after.system - before.user - before.system) / (ROUNDS * TASKS)
    with capsys.disabled():
        print(f"{ROUNDS * TASKS} attempts on {AGENTS} agents, 0 failed, {spent * 1000:.1f} ms of CPU each", flush=True)
