"""Cancellations that an activity can not have been told of: requested while no worker ran its execution."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.state.heartbeat import last_beat
from activities.system.async_lazy import AsyncLazy
from activities.system.server_time import began_ms
from epw.core import failures
from epw.core.execution.task_state import NO_WORKER_MS
from epw.core.messages import Failure, TaskOutcome


async def was_cancelled() -> bool:
    """Whether the execution is to be cancelled.

    The worker that comes back gets what is to be run as soon as the cancellation, which only its workflow passes on.
    """
    info = activity.info()
    waited = (info.started_time - info.scheduled_time).total_seconds() * 1000
    if info.attempt == 1 and waited < NO_WORKER_MS:
        return False
    run_id, now = info.workflow_run_id or "", time.monotonic()
    asked_at, answer = _answers.get(run_id, (-_SHARED_SECONDS, None))
    if answer is None or now - asked_at >= _SHARED_SECONDS:
        _answers[run_id] = now, (answer := AsyncLazy(partial(_is_to_be_cancelled, info.workflow_id or "", run_id)))
        _answers.move_to_end(run_id)
        if len(_answers) > _MAX_KNOWN:
            _answers.popitem(last=False)
    return await answer.get()


async def _is_to_be_cancelled(workflow_id: str, run_id: str) -> bool:
    described = await activity.client().get_workflow_handle(workflow_id, run_id=run_id).describe()
    return described.raw_description.workflow_extended_info.cancel_requested


_SHARED_SECONDS = 1.0
"""So long one answer serves all attempts: it names each that is pending, and a thousand that wait would each ask.

A cancellation that comes meanwhile comes to an execution whose worker is there.
"""
_MAX_KNOWN = 100
_answers: OrderedDict[str, tuple[float, AsyncLazy[bool]]] = OrderedDict()
"""When it was last asked whether a run is to be cancelled, by run id."""


async def refuse_cancelled() -> None:
    """Raise a failure of type `Cancelled` where the execution is to be cancelled."""
    if await was_cancelled():
        raise ApplicationError(
            "its execution was cancelled before it could start",
            type=failures.CANCELLED.type,
            non_retryable=True,
            category=ApplicationErrorCategory.BENIGN,
        )


def outcome_without_worker(details: Sequence[Any], scheduled: int) -> TaskOutcome:
    """Outcome of a cancelled attempt that no worker has any more, as far as its last heartbeat tells of it.

    `details`: of that heartbeat. `scheduled`: epoch milliseconds.
    """
    beat = last_beat(details)
    outcome = TaskOutcome(
        kind="failed",
        failure=Failure.of(failures.CANCELLED, "its execution was cancelled while no worker ran"),
        final=True,
        started_at=beat.started_at if beat is not None else 0,
        duration_ms=beat.worked_ms if beat is not None else 0,
        lost_runs=beat.lost_runs if beat is not None else 0,
    )
    return outcome.model_copy(update=away(details, scheduled))


def away(details: Sequence[Any], scheduled: int, since: int = 0) -> dict[str, int]:
    """The stretch in which no worker was there for an attempt, as fields of its outcome.

    It begins when a worker last told of the attempt, at the earliest at `since`, and ends as this worker began.
    """
    beat, until = last_beat(details), began_ms()
    start = max(scheduled, since, beat.at if beat is not None else 0)
    return {"away_from": start, "away_until": until} if until - start >= NO_WORKER_MS else {}
