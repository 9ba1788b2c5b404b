"""Spans of executions: execution → task → attempt, with what an attempt does below, and landings beside the tasks.

Ids of the spans of an execution and of its tasks follow from its run id. So whichever worker runs an attempt names the
same parent, whoever started the execution, and nothing is added to the history. These spans are sent when the execution
ends; each is sent twice where the worker dies right then, with the same ids.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import NonRecordingSpan, SpanContext, StatusCode, TraceFlags
from opentelemetry.util.types import AttributeValue
from temporalio import activity
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
)

from activities.system.observer import TRACER
from epw.core.messages import RUN_TASK
from epw.core.version import __version__

_NS_PER_MS = 1_000_000
_fixed: ContextVar[tuple[int, int] | None] = ContextVar("fixed ids", default=None)


def provider_with(exporter: SpanExporter) -> TracerProvider:
    """A tracer provider whose spans go to an exporter; `OTEL_*` variables set resource, sampler and batches."""
    resource = Resource.create({"service.name": "epw", "service.version": __version__})
    provider = TracerProvider(resource=resource, id_generator=_Ids())
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


class _Ids(RandomIdGenerator):
    """Random ids, but for a span whose ids are fixed."""

    def generate_trace_id(self) -> int:
        fixed = _fixed.get()
        return fixed[0] if fixed else super().generate_trace_id()

    def generate_span_id(self) -> int:
        fixed = _fixed.get()
        return fixed[1] if fixed else super().generate_span_id()


class TracedExecution:
    """Ids of an execution's trace, of its own span and of those of its tasks."""

    def __init__(self, provider: TracerProvider, execution_id: str, run_id: str) -> None:
        self._provider = provider
        self._run_id = run_id
        self.attributes: dict[str, AttributeValue] = {"epw.execution.id": execution_id, "epw.run.id": run_id}
        self._trace_id = _number("trace", run_id, 16)
        sampled = provider.sampler.should_sample(None, self._trace_id, "execution").decision
        self._flags = TraceFlags(TraceFlags.SAMPLED if sampled is Decision.RECORD_AND_SAMPLE else 0)

    def parent(self, task_id: str | None) -> Context:
        """Context of the execution's span, or of a task's."""
        span_id = self._task_span(task_id) if task_id is not None else self._own_span
        parent = SpanContext(self._trace_id, span_id, is_remote=True, trace_flags=self._flags)
        return trace.set_span_in_context(NonRecordingSpan(parent), Context())

    @property
    def _own_span(self) -> int:
        return _number("execution", self._run_id, 8)

    def _task_span(self, task_id: str) -> int:
        return _number("task", f"{self._run_id}/{task_id}", 8)

    def send(self, document: Mapping[str, Any], start_ms: int, end_ms: int) -> None:
        """Send the spans of the execution and of its tasks that have run."""
        attributes = {"epw.status": document["status"], "epw.tasks": len(document["results"])}
        self._send("execution", Context(), self._own_span, attributes, start_ms, end_ms, bool(document["success"]))
        for row in document["results"]:
            began, ended = row.get("startedAt"), row.get("finishedAt") or end_ms
            if began is not None:
                more = {"epw.task.id": row["taskId"], "epw.status": row["status"], "epw.attempts": row["attempts"]}
                name, span_id = f"task {row['taskId']}", self._task_span(row["taskId"])
                self._send(name, self.parent(None), span_id, more, began, ended, bool(row["success"]))

    def _send(
        self,
        name: str,
        parent: Context,
        span_id: int,
        attributes: Mapping[str, AttributeValue],
        start_ms: int,
        end_ms: int,
        is_success: bool,
    ) -> None:
        token = _fixed.set((self._trace_id, span_id))
        try:
            tracer = self._provider.get_tracer(TRACER)
            span = tracer.start_span(
                name, parent, attributes={**self.attributes, **attributes}, start_time=start_ms * _NS_PER_MS
            )
        finally:
            _fixed.reset(token)
        if not is_success:
            span.set_status(StatusCode.ERROR)
        span.end(end_ms * _NS_PER_MS)


def _number(kind: str, name: str, size: int) -> int:
    return int.from_bytes(hashlib.sha256(f"epw {kind} {name}".encode()).digest()[:size])


class SentSpans:
    """Sends the spans of executions that have ended, and of their tasks: a listener of `EndedExecutions`."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider

    def __call__(self, document: Mapping[str, Any], run_id: str, start_ms: int, end_ms: int) -> None:
        TracedExecution(self._provider, document["executionId"], run_id).send(document, start_ms, end_ms)


class TracedActivities(Interceptor):
    """A span of each activity: an attempt's below its task, others below the execution."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Traced(next, self._provider)


class _Traced(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, provider: TracerProvider) -> None:
        super().__init__(next)
        self._provider = provider

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info, request = activity.info(), next(iter(input.args), None)
        task_id = getattr(request, "task_id", None) or getattr(getattr(request, "change", None), "task_id", None)
        run_id = getattr(request, "chain", None) or info.workflow_run_id or ""
        execution = TracedExecution(self._provider, info.workflow_id or "", run_id)
        name = "attempt" if info.activity_type == RUN_TASK else info.activity_type.replace("_", " ")
        attributes = {**execution.attributes, "epw.activity.attempt": info.attempt}
        if task_id is not None:
            name, attributes["epw.task.id"] = f"{name} {task_id}", task_id
        tracer = self._provider.get_tracer(TRACER)
        parent = execution.parent(task_id)
        with tracer.start_as_current_span(
            name, parent, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                result = await super().execute_activity(input)
            except BaseException as error:
                span.set_attribute("error.type", getattr(error, "type", None) or type(error).__name__)
                span.set_status(StatusCode.ERROR)
                raise
            if outcome := getattr(result, "kind", None):
                span.set_attribute("epw.outcome", outcome)
            return result
