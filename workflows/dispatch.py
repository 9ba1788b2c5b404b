"""How activities are started: their queue, timeouts, retries, cancellation, ids and summaries."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, TimeoutError

from workflows.errors import NOT_RETRIED
from workflows.messages import (
    DELIVER,
    LAND,
    PREPARE,
    ROLL_BACK,
    RUN_TASK,
    VERIFY,
    Delivery,
    Failure,
    Landed,
    Prepared,
    PrepareRequest,
    TaskOutcome,
    TaskRun,
    Verified,
)
from workflows.plan import Message
from workflows.strategy import Strategy

# Long enough to ride out a server outage; a worker that died is told of by its successor, at once.
HEARTBEAT_TIMEOUT = timedelta(seconds=30)
_RESULTS: dict[str, type[Message] | None] = {
    PREPARE: Prepared,
    RUN_TASK: TaskOutcome,
    LAND: Landed,
    VERIFY: Verified,
    DELIVER: Delivery,
    ROLL_BACK: None,
}
_HEARTBEATING = (RUN_TASK, VERIFY)


def retry_policy(strategy: Strategy, attempts: int | None = None) -> RetryPolicy:
    """Retries of infrastructure; an agent's own failure is never retried here."""
    return RetryPolicy(
        initial_interval=timedelta(seconds=strategy.first_backoff_seconds),
        backoff_coefficient=strategy.backoff_coefficient,
        maximum_interval=timedelta(seconds=strategy.longest_backoff_seconds),
        maximum_attempts=strategy.infrastructure_attempts if attempts is None else attempts,
        non_retryable_error_types=NOT_RETRIED,
    )


def start(
    name: str,
    message: Message | None,
    *,
    queue: str,
    retry: RetryPolicy,
    activity_id: str | None = None,
    summary: str | None = None,
) -> workflow.ActivityHandle[Any]:
    """Start an activity of ours."""
    return workflow.start_activity(
        name,
        args=[] if message is None else [message],
        task_queue=queue,
        result_type=_RESULTS[name],
        start_to_close_timeout=timedelta(days=30) if name in _HEARTBEATING else timedelta(hours=1),
        heartbeat_timeout=HEARTBEAT_TIMEOUT if name in _HEARTBEATING else None,
        retry_policy=retry,
        # With the default the workflow would go on while a cancelled agent still writes.
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        activity_id=activity_id,
        summary=summary,
    )


async def step(name: str, message: Message, queue: str, strategy: Strategy, summary: str) -> Any:
    """The result of one of the execution's own steps."""
    result = await start(name, message, queue=queue, retry=retry_policy(strategy), summary=summary)
    # A step that completes in spite of a cancellation would swallow it.
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
        if cause.type == "AgentFailed" and cause.details:
            outcome = TaskOutcome.model_validate(cause.details[0])
            return outcome.failure or Failure(type="AgentFailed", message=cause.message), outcome
        return Failure(type=cause.type or "Error", message=cause.message), None
    if isinstance(cause, TimeoutError):
        return Failure(type="WorkerLost", message=f"no sign of life from the worker: {cause.message}"), None
    return Failure(type=type(cause).__name__, message=str(cause)), None


def is_cancelled(error: BaseException) -> bool:
    """Whether it is a cancellation: of the workflow, or of an activity that was awaited."""
    caused = isinstance(error, ActivityError) and isinstance(error.cause, CancelledError)
    return caused or isinstance(error, asyncio.CancelledError)


def told(error: BaseException) -> str:
    """An activity's error in words."""
    return failure_of(error)[0].message
