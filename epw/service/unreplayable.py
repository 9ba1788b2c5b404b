"""Reset of executions that no worker can replay, to the last workflow task that replays.

SDK core can make such a history: a worker that answers a query before its first workflow task of an execution applies
the events after the last workflow task at once, where every replay applies them later. A change of the workflow's code
can too. The execution's workflow task then fails for ever. See docs/notes/query-before-replay.md.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowHandle,
    WorkflowHistory,
    WorkflowQueryFailedError,
)
from temporalio.service import RPCError

from epw.service.connection import RUNNING
from epw.service.history import fetch_history
from epw.service.replay import replay

_STARTED = EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED
_COMPLETED = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
_NON_DETERMINISTIC = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR
_RESET = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW
LookAt = Callable[[WorkflowHandle[Any, Any], WorkflowExecutionDescription], Awaitable[object]]
_MIN_FAILURES = 3
_MAX_RESETS = 5
"""Per execution: two workers with different code would otherwise reset each other's work for ever."""
_log = logging.getLogger(__name__)


async def reset_unreplayable(client: Client, look_at: LookAt | None = None) -> int:
    """Reset each running execution whose workflow task fails again and again; returns how many.

    `look_at`: gets each running execution, with what the server says of it.
    """
    count = 0
    async for execution in client.list_workflows(RUNNING):
        # The server may be away, or the execution may have ended meanwhile.
        with contextlib.suppress(RPCError):
            handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
            described = await handle.describe()
            count += await _reset_if_unreplayable(client, handle, described)
            if look_at is not None:
                with contextlib.suppress(WorkflowQueryFailedError):
                    await look_at(handle, described)
    return count


async def _reset_if_unreplayable(
    client: Client, handle: WorkflowHandle[Any, Any], described: WorkflowExecutionDescription
) -> bool:
    workflow_id, run_id = described.id, described.run_id
    if described.raw_description.pending_workflow_task.attempt < _MIN_FAILURES:
        return False
    history = await fetch_history(handle, described)
    if _NON_DETERMINISTIC not in _causes(history):
        return False
    unsound = await first_unsound_task(history)
    if unsound is None or _causes(history).count(_RESET) >= _MAX_RESETS:
        return False
    _log.warning("%s: workflow task %d does not replay; the execution is reset to it", workflow_id, unsound)
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
            reason="epw: the history no longer replays from this workflow task on",
            workflow_task_finish_event_id=unsound,
            # Workers that find the same at the same time reset once.
            request_id=f"epw-{run_id}-{unsound}",
        )
    )
    return True


async def first_unsound_task(history: WorkflowHistory) -> int | None:
    """Id of the completion event of the first workflow task that does not replay; None where all replay."""
    tasks = _tasks(history.events)
    low, high = 0, len(tasks)
    while low < high:
        middle = (low + high) // 2
        if await _replays(history, tasks[middle][1]):
            low = middle + 1
        else:
            high = middle
    return tasks[low][0] if low < len(tasks) else None


def _tasks(events: Sequence[HistoryEvent]) -> list[tuple[int, int]]:
    """Each workflow task that another one follows: the id of its completion, the number of events to replay it."""
    found, completed = [], 0
    for count, event in enumerate(events, start=1):
        if event.event_type == _COMPLETED:
            completed = event.event_id
        # Its commands are compared when the next task starts.
        elif event.event_type == _STARTED and completed:
            found.append((completed, count))
            completed = 0
    return found


async def _replays(history: WorkflowHistory, count: int) -> bool:
    return await replay(WorkflowHistory(history.workflow_id, history.events[:count])) is None


def _causes(history: WorkflowHistory) -> list[int]:
    """Causes of failed workflow tasks."""
    return [
        event.workflow_task_failed_event_attributes.cause
        for event in history.events
        if event.HasField("workflow_task_failed_event_attributes")
    ]
