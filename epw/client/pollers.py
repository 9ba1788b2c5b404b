"""Workers that poll for executions, as the server sees them."""

from __future__ import annotations

import asyncio
import shlex

from temporalio.client import WorkflowExecutionDescription

from activities.state.host import host_name
from activities.state.state_directory import StateDirectory
from activities.state.worker_records import WorkerRecord
from epw.core.messages import TASK_QUEUE
from epw.service.connection import Connection
from epw.service.identity import WorkerIdentity
from epw.service.pollers import recent_identities

_LOOK_SECONDS = 0.2
WORKER_SECONDS = 1.5
"""So long a command waits for a worker that may just be starting."""


async def has_worker(connection: Connection, seconds: float = 0.0) -> bool:
    """Whether a worker polls the queue; where none does, one that is starting is waited for, for so long."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + seconds
    while not (polls := await _polls(connection)) and clock() < deadline:  # noqa: ASYNC110 (of another process)
        await asyncio.sleep(_LOOK_SECONDS)
    return polls


async def _polls(connection: Connection) -> bool:
    """Whether a worker has polled in the last 65 seconds that is not known to have ended since."""
    pollers = await recent_identities(connection.client, TASK_QUEUE)
    return any(not _has_ended(connection.state, identity) for identity in pollers)


def _has_ended(state: StateDirectory | None, identity: str) -> bool:
    """Whether a worker of this machine and state directory, by its identity at the server, runs no more."""
    known = WorkerIdentity.read(identity)
    if state is None or known is None or known.host != host_name(state):
        return False
    return not WorkerRecord.was_kept(state, known.process) or any(
        each.identity == identity for each in WorkerRecord.dead(state)
    )


def is_to_be_cancelled(described: WorkflowExecutionDescription) -> bool:
    """Whether the execution goes on, and its cancellation is requested."""
    return described.close_time is None and described.raw_description.workflow_extended_info.cancel_requested


def without_worker(execution_id: str, *, is_cancelled: bool = False) -> str:
    """What a user can do about an execution that no worker runs; `is_cancelled`: its cancellation is requested."""
    name = shlex.quote(execution_id)
    if is_cancelled:
        ends = f"`epw run --resume {name}` or `epw up` ends it, and starts no task of it"
        return f"its cancellation waits for a worker: {ends}"
    return f"no worker runs it: `epw run --resume {name}` goes on with it, `epw up` with all"
