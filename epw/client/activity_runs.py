"""Activities of an execution, as its history tells of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import WorkflowHandle
from temporalio.converter import DataConverter

from epw.core import failures
from epw.core.messages import RUN_TASK
from epw.core.report.timeline import ActivityRun


async def history_of(handle: WorkflowHandle[Any, Any]) -> list[HistoryEvent]:
    """Every event of the run."""
    return [event async for event in handle.fetch_history_events()]


async def activity_runs(
    events: Iterable[HistoryEvent], converter: DataConverter, pending: Iterable[PendingActivityInfo] = ()
) -> list[ActivityRun]:
    """The activities in the order in which they were scheduled; of attempts also what went in and came out.

    `pending`: what the server says of those that have not ended: the history does not have who works on them.
    """
    found: dict[int, ActivityRun] = {}
    present = {each.activity_id: each for each in pending}
    for event in events:
        at = event.event_time.ToMilliseconds()
        if event.HasField("activity_task_scheduled_event_attributes"):
            scheduled = event.activity_task_scheduled_event_attributes
            run = ActivityRun(scheduled.activity_type.name, at)
            if run.type == RUN_TASK:
                run.input = await _first(scheduled.input, converter)
            if (now := present.get(scheduled.activity_id)) is not None:
                run.waits = now.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
                run.started, run.runs = now.last_started_time.ToMilliseconds() or None, now.attempt
            found[event.event_id] = run
        elif event.HasField("activity_task_started_event_attributes"):
            started = event.activity_task_started_event_attributes
            run = found[started.scheduled_event_id]
            run.started, run.runs = at, started.attempt
        elif event.HasField("activity_task_completed_event_attributes"):
            completed = event.activity_task_completed_event_attributes
            run = found[completed.scheduled_event_id]
            if run.type == RUN_TASK:
                run.details = await _first(completed.result, converter)
            run.ended, run.outcome = at, run.details.get("kind", "completed")
        elif event.HasField("activity_task_failed_event_attributes"):
            failed = event.activity_task_failed_event_attributes
            run, cause = found[failed.scheduled_event_id], failed.failure.application_failure_info
            if cause.type == failures.AGENT_FAILED.type:
                run.details = await _first(cause.details, converter)
            # An agent that is stopped reports what it has made and used: it fails, and nothing is wrong.
            stopped = (run.details.get("failure") or {}).get("type") == failures.CANCELLED.type
            run.ended, run.outcome = at, "cancelled" if stopped else "failed"
        elif event.HasField("activity_task_timed_out_event_attributes"):
            run = found[event.activity_task_timed_out_event_attributes.scheduled_event_id]
            run.ended, run.outcome = at, "failed"
        elif event.HasField("activity_task_canceled_event_attributes"):
            run = found[event.activity_task_canceled_event_attributes.scheduled_event_id]
            run.ended, run.outcome = at, "cancelled"
    return list(found.values())


async def _first(payloads: Payloads, converter: DataConverter) -> dict[str, Any]:
    """The first of some payloads, an object; empty without any."""
    if not payloads.payloads:
        return {}
    (value,) = await converter.decode(payloads.payloads[:1])
    return value if isinstance(value, dict) else {}
