"""Start of every activity: task queue, timeouts, retries, cancellation, id and summary."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, TimeoutError, TimeoutType

from epw.core import failures
from epw.core.errors import NOT_RETRIED
from epw.core.execution.delivery import Delivered, PullRequestOutcome
from epw.core.execution.strategy import Strategy
from epw.core.landing import Checked, Landed, Verified
from epw.core.messages import (
    CHECK,
    CHECK_HEAD,
    CLEAN_UP,
    DELIVER,
    LAND,
    NOTIFY,
    OPEN_PULL_REQUEST,
    PREPARE,
    ROLL_BACK,
    RUN_TASK,
    VERIFY,
    Failure,
    Prepared,
    PrepareRequest,
    StepRequest,
    TaskOutcome,
    TaskRun,
)
from epw.core.telling import TELL

HEARTBEAT_TIMEOUT = timedelta(seconds=30)
"""Long enough for a restart of the server; the death of a worker is reported by its successor at once."""


@dataclass(frozen=True)
class _Kind:
    """Properties of an activity type."""

    result: type[Any] | None
    start_to_close: timedelta = timedelta(hours=6)
    """Time limit of one activity attempt."""


_KINDS = {
    PREPARE: _Kind(Prepared),
    # The agent's own limits bound its time; its heartbeat shows that it is alive.
    RUN_TASK: _Kind(TaskOutcome, timedelta(days=30)),
    TELL: _Kind(bool),
    VERIFY: _Kind(Verified, timedelta(days=30)),
    LAND: _Kind(Landed),
    CHECK: _Kind(Checked),
    CHECK_HEAD: _Kind(Checked),
    DELIVER: _Kind(Delivered),
    CLEAN_UP: _Kind(None),
    OPEN_PULL_REQUEST: _Kind(PullRequestOutcome),
    NOTIFY: _Kind(None, timedelta(minutes=5)),
    ROLL_BACK: _Kind(None),
}


def retry_policy(strategy: Strategy) -> RetryPolicy:
    """Policy for failures of infrastructure; an agent's own failure is never retried by Temporal."""
    return RetryPolicy(
        initial_interval=timedelta(seconds=strategy.first_backoff_seconds),
        backoff_coefficient=strategy.backoff_coefficient,
        maximum_interval=timedelta(seconds=strategy.longest_backoff_seconds),
        maximum_attempts=strategy.infrastructure_attempts,
        non_retryable_error_types=NOT_RETRIED,
    )


def start(
    name: str,
    message: StepRequest,
    *,
    queue: str,
    retry: RetryPolicy,
    activity_id: str | None = None,
    summary: str | None = None,
    keeps_trying: timedelta | None = None,
    starts_within: timedelta | None = None,
) -> workflow.ActivityHandle[Any]:
    """Start an activity by its type's name; `keeps_trying`: time limit of all its attempts together.

    `starts_within`: for a worker to take it; None: without end, for its host may be away for long.
    """
    info = workflow.info()
    if info.first_execution_run_id != info.run_id:
        message = message.model_copy(update={"chain": info.first_execution_run_id})
    return workflow.start_activity(
        name,
        arg=message,
        task_queue=queue,
        result_type=_KINDS[name].result,
        start_to_close_timeout=_KINDS[name].start_to_close,
        schedule_to_close_timeout=keeps_trying,
        schedule_to_start_timeout=starts_within,
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
        retry_policy=retry,
        # With the default, the workflow would go on while a cancelled agent still writes.
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        activity_id=activity_id,
        summary=summary,
    )


async def step(
    name: str,
    message: StepRequest,
    queue: str,
    strategy: Strategy,
    summary: str,
    *,
    starts_within: timedelta | None = None,
) -> Any:
    """Run an activity that is not an attempt of a task, and return its result."""
    retry = retry_policy(strategy)
    return await awaited(start(name, message, queue=queue, retry=retry, summary=summary, starts_within=starts_within))


async def awaited(handle: workflow.ActivityHandle[Any]) -> Any:
    """Wait for an activity's result; raises `CancelledError` also where it completed in spite of a cancellation."""
    result = await handle
    if workflow.cancellation_reason() is not None:
        raise asyncio.CancelledError
    return result


async def uncancelled(handle: workflow.ActivityHandle[Any]) -> Any:
    """Wait for an activity's result, whoever cancels meanwhile: a compensation runs to its end."""
    while True:
        try:
            return await asyncio.shield(handle)
        except asyncio.CancelledError:
            if handle.done():
                raise


async def prepare_locally(request: PrepareRequest, queue: str) -> Prepared:
    """Prepare an execution without a workspace by a local activity."""
    prepared: Prepared = await workflow.execute_local_activity(
        PREPARE,
        request,
        result_type=Prepared,
        start_to_close_timeout=timedelta(seconds=30),
        retry_policy=RetryPolicy(maximum_attempts=3, non_retryable_error_types=NOT_RETRIED),
    )
    if workflow.cancellation_reason() is not None:
        raise asyncio.CancelledError
    return prepared.model_copy(update={"task_queue": queue})


def start_task(
    run: TaskRun, strategy: Strategy, queue: str, description: str, *, starts_within: timedelta | None = None
) -> workflow.ActivityHandle[Any]:
    """Start one attempt of a task; `starts_within`: see `start`."""
    return start(
        RUN_TASK,
        run,
        queue=queue,
        retry=retry_policy(strategy),
        activity_id=f"task-{run.task_id}",
        summary=f"{run.task_id} ({run.agent_id}, attempt {run.attempt}): {' '.join(description.split())}"[:200],
        starts_within=starts_within,
    )


def is_unstarted(error: BaseException | None) -> bool:
    """Whether no worker took an activity within the time in which it was to start."""
    cause = error.cause if isinstance(error, ActivityError) else None
    return isinstance(cause, TimeoutError) and cause.type == TimeoutType.SCHEDULE_TO_START


def is_untaken(error: BaseException) -> bool:
    """Whether an activity was cancelled that no worker had; one may have had it before, and been lost."""
    if isinstance(error, ActivityError):
        return isinstance(error.cause, CancelledError) and error.started_event_id <= 0
    return isinstance(error, asyncio.CancelledError)


def failure_of(error: BaseException) -> tuple[Failure, TaskOutcome | None]:
    """Failure of an activity, with the agent's outcome where it was the agent that failed."""
    cause = error.cause if isinstance(error, ActivityError) and error.cause else error
    if isinstance(cause, ApplicationError):
        if cause.type == failures.AGENT_FAILED.type and cause.details:
            outcome = TaskOutcome.model_validate(cause.details[0])
            return outcome.failure or Failure.of(failures.AGENT_FAILED, cause.message), outcome
        return Failure(type=cause.type or "Error", message=cause.message), None
    if isinstance(cause, TimeoutError):
        return Failure.of(failures.WORKER_LOST, f"no sign of life from the worker: {cause.message}"), None
    return Failure(type=type(cause).__name__, message=str(cause)), None


def is_cancelled(error: BaseException) -> bool:
    """Whether an error is a cancellation, of the workflow or of an awaited activity, or of one that did not begin."""
    cause = error.cause if isinstance(error, ActivityError) else None
    refused = isinstance(cause, ApplicationError) and cause.type == failures.CANCELLED.type
    return refused or isinstance(cause, CancelledError) or isinstance(error, asyncio.CancelledError)


def details_of(error: BaseException) -> list[Any]:
    """List in the details of an activity's error; empty where there is none."""
    cause = error.cause if isinstance(error, ActivityError) else None
    found = cause.details[0] if isinstance(cause, ApplicationError) and cause.details else []
    return found if isinstance(found, list) else []


def message_of(error: BaseException) -> str:
    """Message of an activity's failure."""
    return failure_of(error)[0].message
