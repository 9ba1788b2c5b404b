"""What a dead worker left: its agents are ended, and Temporal is told at once instead of by a time-out."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.limits.processes import end_marked
from activities.record import AttemptRecord

_EVERY_SECONDS = 2.0
_log = logging.getLogger(__name__)


async def keep_recovering(client: Client, home: Path) -> None:
    """Look for attempts of dead workers of this state directory, now and then, for ever."""
    while True:
        await recover(client, home)
        await asyncio.sleep(_EVERY_SECONDS)


async def recover(client: Client, home: Path) -> int:
    """Fail each attempt whose worker is dead, by its task token: the next try starts at once."""
    lost = [(path, record) for path, record in AttemptRecord.all(home) if not record.worker_lives]
    for path, record in lost:
        await asyncio.to_thread(end_marked, record.marker)
        handle = client.get_async_activity_handle(task_token=record.task_token)
        try:
            await handle.fail(ApplicationError("the worker of this attempt died", type="WorkerLost"))
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                _log.warning("a lost attempt could not be told of: %s", error)
                continue
            # Another worker was faster, or the execution has ended.
        path.unlink(missing_ok=True)
    return len(lost)
