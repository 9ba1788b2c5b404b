"""How activities are started: their queue, timeouts, retries, cancellation, ids and summaries."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, TimeoutError

from epw.core import failures
from epw.core.errors import NOT_RETRIED
from epw.core.execution.delivery import Delivery
from epw.core.execution.strategy import Strategy
from epw.core.messages import (
    CLEAN_UP,
    DELIVER,
    LAND,
    PREPARE,
    ROLL_BACK,
    RUN_TASK,
    VERIFY,
    Failure,
    Landed,
    Prepared,
    PrepareRequest,
    StepRequest,
    TaskOutcome,
    TaskRun,
    Verified,
)
from epw.core.plan.model import Message

# Long enough to ride out a server outage; a worker that died is told of by its successor, at once.
HEARTBEAT_TIMEOUT = timedelta(seconds=30)


@dataclass(frozen=True)
class _Kind:
    """What every activity of a name has in common; `limit`: of one try, from start to close."""

    result: type[Message] | None
    limit: timedelta = timedelta(hours=6)


_KINDS = {
    PREPARE: _Kind(Prepared),
    # An agent's time is bounded by its own limits; its sign of life is the heartbeat.
    RUN_TASK: _Kind(TaskOutcome, timedelta(days=30)),
    VERIFY: _Kind(Verified, timedelta(days=30)),
    LAND: _Kind(Landed),
    DELIVER: _Kind(Delivery),
    CLEAN_UP: _Kind(None),
    ROLL_BACK: _Kind(None),
}


def retry_policy(strategy: Strategy) -> RetryPolicy:
    """Retries of infrastructure; an agent's own failure is never retried here."""
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
) -> workflow.ActivityHandle[Any]:
    """Start an activity of ours."""
    info = workflow.info()
    if info.first_execution_run_id != info.run_id:
        message = message.model_copy(update={"chain": info.first_execution_run_id})
    return workflow.start_activity(
        name,
        arg=message,
        task_queue=queue,
        result_type=_KINDS[name].result,
        start_to_close_timeout=_KINDS[name].limit,
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
        retry_policy=retry,
        # With the default the workflow would go on while a cancelled agent still writes.
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        activity_id=activity_id,
        summary=summary,
    )


async def step(name: str, message: StepRequest, queue: str, strategy: Strategy, summary: str) -> Any:
    """The result of one of the execution's own steps."""
    return await awaited(start(name, message, queue=queue, retry=retry_policy(strategy), summary=summary))


async def awaited(handle: workflow.ActivityHandle[Any]) -> Any:
    """The activity's result; one that completes in spite of a cancellation does not swallow it."""
    result = await handle
    if workflow.cancellation_reason() is not None:
        raise asyncio.CancelledError
    return result


async def uncancelled(handle: workflow.ActivityHandle[Any]) -> Any:
    """The activity's result; a compensation goes on to its end whoever cancels."""
    while True:
        try:
            return await asyncio.shield(handle)
        except asyncio.CancelledError:
            if handle.done():
                raise


async def prepare_locally(request: PrepareRequest, queue: str) -> Prepared:
    """Prepare an execution without a workspace."""
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


def start_task(run: TaskRun, strategy: Strategy, queue: str, description: str) -> workflow.ActivityHandle[Any]:
    """Start one attempt of a task."""
    return start(
        RUN_TASK,
        run,
        queue=queue,
        retry=retry_policy(strategy),
        activity_id=f"task-{run.task_id}",
        summary=f"{run.task_id} ({run.agent_id}, attempt {run.attempt}): {' '.join(description.split())}"[:200],
    )


def failure_of(error: BaseException) -> tuple[Failure, TaskOutcome | None]:
    """Why an activity ended badly; with the agent's outcome where an agent's failure ended it."""
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
    """Whether it is a cancellation: of the workflow, or of an activity that was awaited."""
    caused = isinstance(error, ActivityError) and isinstance(error.cause, CancelledError)
    return caused or isinstance(error, asyncio.CancelledError)


def details_of(error: BaseException) -> list[Any]:
    """What an activity's error carries for its caller: a list, or nothing."""
    cause = error.cause if isinstance(error, ActivityError) else None
    found = cause.details[0] if isinstance(cause, ApplicationError) and cause.details else []
    return found if isinstance(found, list) else []


def told(error: BaseException) -> str:
    """An activity's error in words."""
    return failure_of(error)[0].message
