"""What is told of an execution when it ends, by the worker that ends it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from temporalio import workflow
from temporalio.worker import (
    ExecuteWorkflowInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from epw.core.execution.exit_status import OUTCOMES


class Listener(Protocol):
    """Takes the short result document of an execution that has ended.

    It is called in the workflow's thread and may send nothing to Temporal.
    """

    def __call__(self, document: Mapping[str, Any], run_id: str, start_ms: int, end_ms: int) -> None: ...


class EndedExecutions(Interceptor):
    """Calls listeners once for each execution that ends, and in no replay."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = listeners

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor] | None:
        listeners = self._listeners

        class Watched(WorkflowInboundInterceptor):
            async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
                try:
                    return await super().execute_workflow(input)
                finally:
                    _tell(listeners)

        return Watched


def _tell(listeners: Sequence[Listener]) -> None:
    instance, info = workflow.instance(), workflow.info()
    if workflow.unsafe.is_replaying() or getattr(instance, "_invalid", True):
        return
    start, end = (round(each.timestamp() * 1000) for each in (info.workflow_start_time, workflow.now()))
    document = instance.document(end)
    # A workflow that only leaves the cache of its worker comes here too.
    if document["status"] in OUTCOMES:
        for listener in listeners:
            listener(document, info.first_execution_run_id, start, end)
