"""Upkeep of a state directory while a worker runs in it, above all the recovery of attempts of dead workers.

Their agents are ended, and Temporal learns of it before a timeout.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflowservice.v1 import ResetStickyTaskQueueRequest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.attempt.worktree_pool import WorktreePool
from activities.processes.process_tree import end_marked
from activities.state.activity_journal import JournalFile
from activities.state.cancellation import outcome_without_worker
from activities.state.execution_store import ExecutionStore
from activities.state.state_directory import StateDirectory
from activities.state.worker_records import (
    POISON_DEATHS,
    AttemptRecord,
    WorkerRecord,
    count_death,
    count_of,
    recovering,
)
from activities.system.directories import Trash
from activities.system.process_identity import Process
from epw.core import failures
from epw.core.amounts import count
from epw.core.messages import TaskOutcome
from epw.service.connection import RUNNING
from epw.service.host_watch import HostWatch
from epw.service.janitor import tidy
from epw.service.server_clock import follow_clock
from epw.service.unreplayable import reset_unreplayable

_STARTED = PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
_RECOVER_EVERY_SECONDS = 2.0
_LOOK_EVERY_SECONDS = 10.0
_TIDY_EVERY_SECONDS = 60.0
_log = logging.getLogger(__name__)


@asynccontextmanager
async def maintained(
    client: Client, state: StateDirectory, identity: str, supervisor: Process | None = None
) -> AsyncIterator[None]:
    """Clean up after ended executions, then recover what dead workers have left while the block runs.

    That is their attempts, and executions whose history no worker can replay.

    This process is on record as the worker `identity` meanwhile, so that others can recover its attempts if it dies.
    `supervisor`: the process that adopts what a killed worker leaves.
    """
    await _tidied(client, state)
    await follow_clock(client)
    loops = [
        asyncio.create_task(_repeat(partial(recover, client, state), _RECOVER_EVERY_SECONDS)),
        asyncio.create_task(
            _repeat(partial(reset_unreplayable, client, HostWatch(client).look_at), _LOOK_EVERY_SECONDS)
        ),
        asyncio.create_task(_repeat(partial(_tidied, client, state), _TIDY_EVERY_SECONDS, _TIDY_EVERY_SECONDS)),
        asyncio.create_task(_repeat(partial(follow_clock, client), _TIDY_EVERY_SECONDS, _TIDY_EVERY_SECONDS)),
    ]
    try:
        with WorkerRecord.kept(state, identity, supervisor):
            yield
    finally:
        for loop in loops:
            loop.cancel()


async def _tidied(client: Client, state: StateDirectory) -> int:
    """Clean up after ended executions: their last steps may have run on another host."""
    lines = await tidy(client, state)
    for line in lines:
        _log.warning("%s", line)
    return len(lines)


async def _repeat(step: Callable[[], Awaitable[object]], every_seconds: float, first_after: float = 0.0) -> None:
    """Repeat a step of upkeep for ever; a server that is away is tried again."""
    await asyncio.sleep(first_after)
    while True:
        with contextlib.suppress(RPCError):
            await step()
        await asyncio.sleep(every_seconds)


async def recover(client: Client, state: StateDirectory) -> int:
    """Fail each attempt whose worker is dead, by its task token, so that Temporal retries it; returns how many.

    A task that was in flight when a third worker died fails for good, as `Poison`.
    """
    with recovering(state) as mine:
        if not mine:
            return 0
        journals = [each for each in JournalFile.all(state.running) if not each.worker_lives]
        of_each = [(journal, record) for journal in journals for record in AttemptRecord.read(journal)]
        lost = [record for _, record in of_each]
        for worker in dict.fromkeys(record.worker for record in lost):
            count_death([record for record in lost if record.worker == worker])
        if dead := list(WorkerRecord.dead(state)):
            await _reset_sticky_queues(client)
        known = await _cancelled_meanwhile(client, lost)
        for journal, record in of_each:
            await asyncio.to_thread(end_marked, record.marker)
            try:
                await client.get_async_activity_handle(task_token=record.task_token).fail(
                    _reason(record, known.get(record.workflow))
                )
            except RPCError as error:
                if error.status != RPCStatusCode.NOT_FOUND:
                    _log.warning("a lost attempt could not be failed: %s", error)
                    continue
                # The attempt has timed out meanwhile, or the execution has ended.
            journal.remove(record.name)
        for journal in journals:
            journal.delete_empty()
        for each in dead:
            await _fail_unrecorded(client, each.identity)
            await asyncio.to_thread(_discard_pooled, state)
            each.path.unlink(missing_ok=True)
        return len(lost)


def _discard_pooled(state: StateDirectory) -> None:
    """Discard directories that a dead worker had kept for later attempts."""
    for execution in ExecutionStore.with_remains(state):
        for folder in execution.path.glob("attempts/*/.spare"):
            WorktreePool(folder, Trash(state.trash)).discard_orphans()


async def _reset_sticky_queues(client: Client) -> None:
    """Have the next workflow tasks given to any worker: they would wait for one that is dead."""
    async for each in client.list_workflows(RUNNING):
        execution = WorkflowExecution(workflow_id=each.id, run_id=each.run_id)
        request = ResetStickyTaskQueueRequest(namespace=client.namespace, execution=execution)
        with contextlib.suppress(RPCError):
            await client.workflow_service.reset_sticky_task_queue(request)


async def _fail_unrecorded(client: Client, identity: str) -> None:
    """Fail attempts that the server had handed to a worker that died before it could record them."""
    async for execution in client.list_workflows(RUNNING):
        with contextlib.suppress(RPCError):
            handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
            described = await handle.describe()
            for pending in described.raw_description.pending_activities:
                if pending.state == _STARTED and pending.last_worker_identity == identity:
                    lost = client.get_async_activity_handle(
                        workflow_id=execution.id, run_id=execution.run_id, activity_id=pending.activity_id
                    )
                    await lost.fail(ApplicationError("the worker of this attempt died", type=failures.WORKER_LOST.type))


def _reason(record: AttemptRecord, outcome: TaskOutcome | None) -> ApplicationError:
    """Why a lost attempt ends now; `outcome`: of one that is not to go on."""
    if outcome is not None:
        message = "its execution was cancelled while no worker ran"
        return ApplicationError(message, outcome, type=failures.AGENT_FAILED.type, non_retryable=True)
    deaths = count_of(record.deaths) if record.deaths else 0
    if deaths >= POISON_DEATHS:
        message = f"{count(deaths, 'worker')} died while this task ran"
        return ApplicationError(message, type=failures.POISON.type, non_retryable=True)
    return ApplicationError("the worker of this attempt died", type=failures.WORKER_LOST.type)


async def _cancelled_meanwhile(
    client: Client, lost: Iterable[AttemptRecord]
) -> dict[tuple[str, str, str], TaskOutcome]:
    """What is known of lost attempts of agents whose executions are to be cancelled, and which the server knows."""
    attempts = {record.workflow for record in lost if record.deaths is not None and record.workflow[0]}
    found = dict[tuple[str, str, str], TaskOutcome]()
    for workflow_id, run_id in {(each[0], each[1]) for each in attempts}:
        with contextlib.suppress(RPCError):
            described = (await client.get_workflow_handle(workflow_id, run_id=run_id).describe()).raw_description
            for pending in described.pending_activities if described.workflow_extended_info.cancel_requested else ():
                if (key := (workflow_id, run_id, pending.activity_id)) in attempts:
                    details = await client.data_converter.decode(pending.heartbeat_details.payloads)
                    found[key] = outcome_without_worker(details, pending.scheduled_time.ToMilliseconds())
    return found
