"""What a dead worker left: its agents are ended, and Temporal is told at once instead of by a time-out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.attempt.worktree_pool import WorktreePool
from activities.processes.process_tree import end_marked
from activities.state.execution_store import ExecutionStore
from activities.state.worker_records import POISON_DEATHS, AttemptRecord, WorkerRecord, charge, count_of, recovering
from activities.system.directories import Trash
from epw.core import failures
from epw.core.messages import WORKFLOW_TYPE

_STARTED = PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
_EVERY_SECONDS = 2.0
_log = logging.getLogger(__name__)


async def keep_recovering(client: Client, home: Path) -> None:
    """Look for attempts of dead workers of this state directory, now and then, for ever."""
    while True:
        await recover(client, home)
        await asyncio.sleep(_EVERY_SECONDS)


async def recover(client: Client, home: Path) -> int:
    """Fail each attempt whose worker is dead, by its task token: the next try starts at once.

    A task that was in flight at its third dead worker fails for good, as `Poison`.
    """
    with recovering(home) as mine:
        if not mine:
            return 0
        lost = [record for record in AttemptRecord.all(home) if not record.worker_lives]
        for worker in dict.fromkeys(record.worker for record in lost):
            charge([record for record in lost if record.worker == worker])
        for record in lost:
            await asyncio.to_thread(end_marked, record.marker)
            try:
                await client.get_async_activity_handle(task_token=record.task_token).fail(_reason(record))
            except RPCError as error:
                if error.status != RPCStatusCode.NOT_FOUND:
                    _log.warning("a lost attempt could not be told of: %s", error)
                    continue
                # It has timed out meanwhile, or the execution has ended.
            record.path.unlink(missing_ok=True)
        for dead in WorkerRecord.dead(home):
            await _fail_unattended(client, dead.identity)
            await asyncio.to_thread(_drop_spares, home)
            dead.path.unlink(missing_ok=True)
        return len(lost)


def _drop_spares(home: Path) -> None:
    """Directories that a dead worker had put by for attempts to come."""
    for execution in ExecutionStore.with_remains(home):
        for folder in execution.path.glob("attempts/*/.spare"):
            WorktreePool(folder, Trash(home)).discard_orphans()


async def _fail_unattended(client: Client, identity: str) -> None:
    """Attempts that the server had handed to a worker that died before it could note them."""
    async for execution in client.list_workflows(f"WorkflowType = '{WORKFLOW_TYPE}' AND ExecutionStatus = 'Running'"):
        with contextlib.suppress(RPCError):
            handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
            described = await handle.describe()
            for pending in described.raw_description.pending_activities:
                if pending.state == _STARTED and pending.last_worker_identity == identity:
                    lost = client.get_async_activity_handle(
                        workflow_id=execution.id, run_id=execution.run_id, activity_id=pending.activity_id
                    )
                    await lost.fail(ApplicationError("the worker of this attempt died", type=failures.WORKER_LOST.type))


def _reason(record: AttemptRecord) -> ApplicationError:
    deaths = count_of(record.deaths) if record.deaths else 0
    if deaths >= POISON_DEATHS:
        message = f"{deaths} workers died while this task ran"
        return ApplicationError(message, type=failures.POISON.type, non_retryable=True)
    return ApplicationError("the worker of this attempt died", type=failures.WORKER_LOST.type)
