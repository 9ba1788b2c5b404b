"""A plan that no single message of Temporal could hold runs, and every command reads it."""

from __future__ import annotations

import asyncio

from tests.site import Site


async def test_a_plan_of_two_megabytes_runs_and_is_reported(site: Site) -> None:
    rows = [
        {"id": f"t{n}", "description": "The words of a long task. " * 500 + str(n), "simulate": {"seconds": 0}}
        for n in range(160)
    ]
    document = await site.run({"agent": "simulated", "maxAgents": 50, "tasks": rows}, "large", [])
    assert (document["status"], len(document["results"])) == ("succeeded", 160)
    report = await asyncio.to_thread(site.cli.json, "report", "large", "--json")
    assert "task. 159" in str(report)
    assert await asyncio.to_thread(site.cli, "doctor", "large")
