"""What stays bounded while a state directory is in use for long."""

from __future__ import annotations

import asyncio

import psutil
import pytest

from epw.core.messages import TASK_QUEUE, WORKFLOW_TYPE
from epw.service.worker_supervisor import supervised_worker
from epw.settings import Settings
from tests.site import Site
from tests.support import tasks

EXECUTIONS = 5_000
"""A day's load of one machine; 5 a second at best, on two cores."""
MAX_MB = 400
"""Of memory; without a limit it was 433 after 400 executions, with one 302 after 5,000."""
MAX_KB_PER_EXECUTION = 120


@pytest.mark.slow
async def test_a_server_that_is_up_for_long_stays_small(site: Site) -> None:
    plan = {"agent": "simulated", "tasks": tasks(*({"id": f"t{n}", "simulate": {"seconds": 0}} for n in range(10)))}
    client, at_once = site.connection.client, asyncio.Semaphore(6)

    async def run(number: int) -> None:
        async with at_once:
            await client.execute_workflow(WORKFLOW_TYPE, plan, id=f"long-{number}", task_queue=TASK_QUEUE)

    async with supervised_worker(Settings(site.cli.home)):
        await asyncio.gather(*(run(number) for number in range(EXECUTIONS)))
        servers = [
            process.info["memory_info"].rss
            for process in psutil.process_iter(["cmdline", "memory_info"])
            if "start-dev" in (words := process.info["cmdline"] or []) and str(site.cli.home) in " ".join(words)
        ]
    (size,) = servers
    assert size / 2**20 < MAX_MB
    on_disk = sum(path.stat().st_size for path in site.cli.home.rglob("*") if path.is_file())
    assert on_disk / 2**10 / EXECUTIONS < MAX_KB_PER_EXECUTION
