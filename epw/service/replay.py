"""State of an execution computed from its history by the workflow's own code; imported only where that is needed."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowExecutionDescription, WorkflowHandle, WorkflowHistory
from temporalio.worker import (
    ExecuteWorkflowInput,
    Interceptor,
    Replayer,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from epw.core.execution.exit_status import STATUS_OF_TEMPORAL
from epw.service.converter import data_converter
from epw.service.history import fetch_history
from epw.service.registration import WORKFLOW_RUNNER
from workflows.execute_parallel import ExecuteParallelWorkflow


async def replay(history: WorkflowHistory, *interceptors: Interceptor) -> Exception | None:
    """Run the workflow's code against a decrypted history; returns the reason where they do not match."""
    replayer = Replayer(
        workflows=[ExecuteParallelWorkflow],
        data_converter=data_converter,
        interceptors=interceptors,
        workflow_runner=WORKFLOW_RUNNER,
        # No deadlock is looked for: on a busy machine the first import of a library takes longer than that allows.
        debug_mode=True,
    )
    return (await replayer.replay_workflow(history, raise_on_replay_failure=False)).replay_failure


async def replayed_document(
    handle: WorkflowHandle[Any, Any], described: WorkflowExecutionDescription
) -> dict[str, Any]:
    """The short document of an execution for which no worker answers, without what only a worker can make of it."""
    history = await fetch_history(handle, described)
    if described.close_time is None:
        _leave_out_cancellation(history)
    last = described.close_time or history.events[-1].event_time.ToDatetime(tzinfo=UTC)
    found = await document_of_history(history, int(last.timestamp() * 1000))
    status = STATUS_OF_TEMPORAL.get(described.status.name if described.status else "", "running")
    return found or {"executionId": handle.id, "status": status}


async def document_of_history(history: WorkflowHistory, at: int) -> dict[str, Any] | None:
    """The short document as of a moment (epoch ms), by a replay; None where the workflow has not begun."""
    tap = _Tap()
    await replay(history, tap)
    return tap.seen[0].document(at) if tap.seen else None


def _leave_out_cancellation(history: WorkflowHistory) -> None:
    """Make something without effect of a cancellation that no worker has heard of: replayed, it would be done."""
    unheard: list[HistoryEvent] = []
    for event in history.events:
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            unheard.clear()
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED:
            unheard.append(event)
    for event in unheard:
        # Event ids have no gaps.
        event.event_type = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
        event.workflow_execution_signaled_event_attributes.signal_name = "none"


class _Tap(Interceptor):
    """Keeps the workflow object of a replay."""

    def __init__(self) -> None:
        self.seen: list[ExecuteParallelWorkflow] = []

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor] | None:
        seen = self.seen

        class Inbound(WorkflowInboundInterceptor):
            async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
                seen.append(workflow.instance())
                return await super().execute_workflow(input)

        return Inbound
