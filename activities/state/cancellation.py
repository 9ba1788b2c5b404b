"""Cancellations that an activity can not have been told of: requested while no worker ran its execution."""

from __future__ import annotations

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from epw.core import failures
from epw.core.report.timeline import NO_WORKER_MS


async def refuse_cancelled() -> None:
    """Raise a failure of type `Cancelled` where the execution is to be cancelled.

    The worker that comes back gets what is to be run as soon as the cancellation, which only its workflow passes on.
    """
    info = activity.info()
    waited = (info.started_time - info.scheduled_time).total_seconds() * 1000
    if info.attempt == 1 and waited < NO_WORKER_MS:
        return
    workflow = activity.client().get_workflow_handle(info.workflow_id or "", run_id=info.workflow_run_id)
    if (await workflow.describe()).raw_description.workflow_extended_info.cancel_requested:
        raise ApplicationError(
            "its execution was cancelled before it could start",
            type=failures.CANCELLED.type,
            non_retryable=True,
            category=ApplicationErrorCategory.BENIGN,
        )
