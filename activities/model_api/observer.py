"""Calls of models and tools as operators see them, by OpenTelemetry's names for generative AI."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from activities.model_api.answer import Used
from activities.system.observer import Observer

_PROVIDER = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "anthropic"}
_TOOL = {"gen_ai.operation.name": "execute_tool"}


class ModelObserver:
    """Made in an attempt; spans and metrics of its calls.

    Names of metrics are as Prometheus has them: the SDK passes them on as they are.
    """

    def __init__(self) -> None:
        self._observer = Observer()
        meter = self._observer.meter
        self._tokens = meter.create_histogram("gen_ai_client_token_usage", "Tokens of a call.")
        self._duration = meter.create_histogram_float(
            "gen_ai_client_operation_duration", "Duration of a call.", "seconds"
        )

    @contextmanager
    def call(self, model: str, used: Used) -> Iterator[None]:
        """A call, which the block makes and whose use it fills in."""
        attributes = {**_PROVIDER, "gen_ai.request.model": model}
        metric = {name.replace(".", "_"): value for name, value in attributes.items()}
        began, failed = time.perf_counter(), {}
        try:
            with self._observer.span(f"chat {model}", attributes, is_call=True) as span:
                try:
                    yield
                finally:
                    read, written = _tokens(used)
                    span.set({"gen_ai.usage.input_tokens": read, "gen_ai.usage.output_tokens": written})
        except BaseException as error:
            failed = {"error_type": type(error).__name__}
            raise
        finally:
            self._duration.record(time.perf_counter() - began, {**metric, **failed})
            for kind, count in zip(("input", "output"), _tokens(used), strict=True):
                if count:
                    self._tokens.record(count, {**metric, "gen_ai_token_type": kind})


class ToolObserver:
    """Made in an attempt; spans of the tools that its model calls."""

    def __init__(self) -> None:
        self._observer = Observer()

    @contextmanager
    def call(self, name: str) -> Iterator[None]:
        """A call of a tool, which the block makes."""
        with self._observer.span(f"execute_tool {name}", {**_TOOL, "gen_ai.tool.name": name}):
            yield


def _tokens(used: Used) -> tuple[int, int]:
    written = used.counts.get("output_tokens", 0)
    return sum(used.counts.values()) - written, written
