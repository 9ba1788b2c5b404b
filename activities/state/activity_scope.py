"""Scope of every activity: heartbeats, a record for this worker's successor, hand-over at shutdown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.state.execution_store import ExecutionStore
from activities.state.heartbeat import Heartbeat
from activities.state.state_directory import StateDirectory
from activities.state.worker_records import AttemptRecord, isolated_suspect
from epw.core import failures
from epw.core.errors import EpwError
from epw.core.messages import AgentProgress, StepRequest


def current_execution(state: StateDirectory, request: StepRequest) -> ExecutionStore:
    """The execution whose activity is running."""
    info = activity.info()
    run_id = info.workflow_run_id or ""
    return ExecutionStore(state, info.workflow_id or "", request.chain or run_id, run_id)


def not_retried(error: EpwError) -> ApplicationError:
    """Failure of an activity that Temporal does not retry, because the same would happen again."""
    return ApplicationError(str(error), type=error.type, non_retryable=True, category=ApplicationErrorCategory.BENIGN)


@asynccontextmanager
async def activity_scope(
    state: StateDirectory, marker: str, heartbeat: Heartbeat | None = None, deaths: Path | None = None
) -> AsyncIterator[None]:
    """Send heartbeats and keep a record while the block runs; a worker that shuts down gives the activity up at once.

    `marker`: mark of the block's processes; `deaths`: file that counts the workers that died under the task.
    """
    sender = heartbeat or Heartbeat(AgentProgress(task_id=activity.info().activity_type, agent_id="epw"))
    with AttemptRecord.kept(state, marker, deaths) as record:
        async with sender.beating():
            try:
                if deaths is None:
                    yield
                else:
                    async with isolated_suspect(state, record, deaths):
                        yield
            except asyncio.CancelledError:
                if activity.is_worker_shutdown():
                    raise ApplicationError(
                        "the worker is shutting down",
                        type=failures.WORKER_SHUTDOWN.type,
                        category=ApplicationErrorCategory.BENIGN,
                    ) from None
                raise
