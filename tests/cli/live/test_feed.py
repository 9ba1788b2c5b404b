"""What the view asks a server: as little for many agents as for one, and less while nothing changes."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from epw.cli.live.feed import Feed
from epw.service.connection import Connection
from epw.settings import Settings
from tests.support import Harness, ended, tasks, until


class Counted:
    """A handle that counts what is asked of it."""

    def __init__(self, handle: WorkflowHandle[Any, Any]) -> None:
        self._handle = handle
        self.id = handle.id
        self.asked: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        self.asked[name] += 1
        return getattr(self._handle, name)


@pytest.mark.parametrize("agents", [1, 40])
async def test_looks_cost_the_same_however_many_agents_there_are(harness: Harness, agents: int) -> None:
    rows = [{"id": f"t{n}", "simulate": {"hang": True}} for n in range(agents)]
    plan = {"agent": "simulated", "maxAgents": agents, "tasks": tasks({"id": "first", "simulate": {}}, *rows)}
    async with harness.working():
        handle = await harness.start(plan)
        await until(handle, lambda now: now["counts"] == {"running": agents, "succeeded": 1})
        counted = Counted(handle)
        feed = Feed(Settings(harness.home), Connection(harness.client, None, is_embedded=False), counted)  # type: ignore[arg-type]
        for _ in range(3):
            seen = await feed.look()
        assert counted.asked == {"describe": 3, "query": 1, "fetch_history_events": 1}
        assert (seen.ended, seen.max_agents, len(seen.rows)) == (1, agents, agents + 1)
        assert seen.numbers["eta"]["measured"] >= 0
        async with asyncio.timeout(30):
            while len(seen.live) < agents:
                seen = await feed.look()
        assert all(each.elapsed_ms is not None for each in seen.live.values())
        await handle.execute_update("pause", {"by": "me"})
        before = counted.asked["query"]
        async with asyncio.timeout(30):
            while seen.document["status"] != "paused":
                seen = await feed.look()
        assert counted.asked["query"] == before + 1
        assert feed.seconds < 1
        await handle.cancel()
        await ended(handle)


async def test_looks_become_rarer_while_nothing_changes(harness: Harness) -> None:
    """No worker: nothing is known but the plan, which is shown all the same."""
    plan = {"agent": "simulated", "tasks": tasks({"id": "a"}, {"id": "b"})}
    handle = await harness.start(plan)
    feed = Feed(Settings(harness.home), Connection(harness.client, None, is_embedded=False), handle)
    seen = await feed.look()
    assert [row["taskId"] for row in seen.rows] == ["a", "b"]
    assert "no worker runs it" in seen.trouble
    for _ in range(8):
        seen = await feed.look()
    assert feed.seconds == 3
    assert "no worker runs it" in seen.trouble
    await handle.terminate()


async def test_what_was_added_and_set_counts(harness: Harness) -> None:
    plan = {"agent": "simulated", "maxAgents": 2, "tasks": tasks({"id": "a", "simulate": {"hang": True}})}
    async with harness.working():
        handle = await harness.start({**plan, "constraints": {"budget": {"maxCostUSD": 5}}})
        feed = Feed(Settings(harness.home), Connection(harness.client, None, is_embedded=False), handle)
        await until(handle, lambda now: now["counts"].get("running"))
        assert (await feed.look()).max_cost == 5
        await handle.execute_update("add_tasks", {"tasks": [{"id": "b", "description": "d", "dependsOn": ["a"]}]})
        await handle.execute_update("set_max_agents", {"maxAgents": 7})
        await handle.execute_update("set_budget", {"maxCostUSD": 9})
        async with asyncio.timeout(30):
            seen = await feed.look()
            while seen.max_agents != 7 or seen.max_cost != 9:
                seen = await feed.look()
        assert [row["taskId"] for row in seen.rows] == ["a", "b"]
        await handle.cancel()
        await ended(handle)
