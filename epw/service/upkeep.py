"""Upkeep of a state directory while a worker runs in it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio.client import Client

from activities.state.state_directory import StateDirectory
from activities.state.worker_records import WorkerRecord
from activities.system.process_identity import Process
from epw.service.janitor import tidy
from epw.service.recovery import keep_recovering

_log = logging.getLogger(__name__)


@asynccontextmanager
async def maintained(
    client: Client, state: StateDirectory, identity: str, supervisor: Process | None = None
) -> AsyncIterator[None]:
    """Clean up after ended executions, then recover attempts of dead workers while the block runs.

    This process is on record as the worker `identity` meanwhile, so that others can recover its attempts if it dies.
    `supervisor`: the process that adopts what a killed worker leaves.
    """
    for line in await tidy(client, state):
        _log.warning("%s", line)
    recovering = asyncio.create_task(keep_recovering(client, state))
    try:
        with WorkerRecord.kept(state, identity, supervisor):
            yield
    finally:
        recovering.cancel()
