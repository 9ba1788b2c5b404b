"""What an activity shows to operators: spans below its own, and metrics; neither costs anything where it is off."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from temporalio import activity
from temporalio.common import MetricMeter

if TYPE_CHECKING:
    from opentelemetry import trace
    from opentelemetry.context import Context
    from opentelemetry.util.types import AttributeValue

TRACER = "epw"


class Observer:
    """Made in an activity, for what it has done on its behalf in other tasks and threads too."""

    def __init__(self) -> None:
        self.meter = activity.metric_meter() if activity.in_activity() else MetricMeter.noop
        self._parent = _current_context()

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, AttributeValue], *, is_call: bool = False) -> Iterator[Span]:
        """A span of the block; `is_call`: it calls another service. It carries the type of an exception, no text."""
        if self._parent is None:
            yield Span()
            return
        from opentelemetry import trace

        kind = trace.SpanKind.CLIENT if is_call else trace.SpanKind.INTERNAL
        tracer = trace.get_tracer(TRACER)
        with tracer.start_as_current_span(
            name, self._parent, kind, attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield Span(span)
            except BaseException as error:
                # Its message may quote what a model or a command has said.
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(trace.StatusCode.ERROR)
                raise


class Span:
    """A span that is open, or nothing."""

    def __init__(self, span: trace.Span | None = None) -> None:
        self._span = span

    def set(self, attributes: Mapping[str, AttributeValue]) -> None:
        if self._span is not None:
            self._span.set_attributes(attributes)


def _current_context() -> Context | None:
    """The context of the activity's span; None where nothing is traced in this process."""
    if "opentelemetry.sdk.trace" not in sys.modules:
        return None
    from opentelemetry import context

    return context.get_current()
