"""Metrics and traces of a worker, switched on by its environment."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from temporalio.runtime import OpenTelemetryConfig, PrometheusConfig, Runtime, TelemetryConfig
from temporalio.worker import Interceptor

from epw.core.extras import missing_extra
from epw.service.log import HEARTBEAT_INTERVAL
from epw.service.telemetry.address import METRICS
from epw.service.telemetry.ended import EndedExecutions, Listener
from epw.service.telemetry.metrics import ExecutionMetrics

EXTRA = "telemetry"
_MODULES = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Telemetry:
    """What a worker is started with; empty where nothing is switched on."""

    runtime: Runtime | None = None
    interceptors: tuple[Interceptor, ...] = ()


@contextmanager
def telemetry(environment: Mapping[str, str] | None = None) -> Iterator[Telemetry]:
    """The telemetry that the environment asks for; what is not sent yet is sent at the end of the block.

    `EPW_METRICS`: address at which Prometheus reads metrics. `OTEL_EXPORTER_OTLP_ENDPOINT`: a collector for traces, and
    for metrics where Prometheus reads none; other `OTEL_*` variables count as OpenTelemetry defines them. What
    cannot be switched on is logged and done without.
    """
    env = os.environ if environment is None else environment
    runtime = _runtime(env)
    listeners: list[Listener] = [] if runtime is None else [ExecutionMetrics(runtime.metric_meter)]
    is_traced = _is_on(env, "TRACES") and _endpoint(env, "TRACES") is not None
    if is_traced and (lacks := missing_extra("tracing", EXTRA, *_MODULES)):
        # The variables may be meant for other programs.
        _log.warning("%s names a collector, but %s", _ENDPOINT, lacks)
        is_traced = False
    if not is_traced:
        yield Telemetry(runtime, (EndedExecutions(listeners),) if listeners else ())
        return
    # Imported here: it takes long, and is an extra.
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    from epw.service.telemetry.tracing import SentSpans, TracedActivities, provider_with

    provider = provider_with(OTLPSpanExporter())
    trace.set_tracer_provider(provider)
    try:
        yield Telemetry(runtime, (EndedExecutions([*listeners, SentSpans(provider)]), TracedActivities(provider)))
    finally:
        provider.shutdown()


def _is_on(env: Mapping[str, str], signal: str) -> bool:
    """Whether neither all of OpenTelemetry nor this signal is switched off."""
    return env.get("OTEL_SDK_DISABLED", "").lower() != "true" and env.get(f"OTEL_{signal}_EXPORTER") != "none"


def _endpoint(env: Mapping[str, str], signal: str) -> str | None:
    """Where a collector takes a signal."""
    base = env.get(_ENDPOINT)
    return env.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT") or (
        f"{base.rstrip('/')}/v1/{signal.lower()}" if base else None
    )


def _runtime(env: Mapping[str, str]) -> Runtime | None:
    address, endpoint = env.get(METRICS), _endpoint(env, "METRICS")
    metrics: PrometheusConfig | OpenTelemetryConfig
    if address:
        metrics = PrometheusConfig(
            bind_address=address, counters_total_suffix=True, unit_suffix=True, durations_as_seconds=True
        )
    elif endpoint and _is_on(env, "METRICS"):
        metrics = OpenTelemetryConfig(url=endpoint, http=True, durations_as_seconds=True, headers=_headers(env))
    else:
        return None
    try:
        return Runtime(telemetry=TelemetryConfig(metrics=metrics), worker_heartbeat_interval=HEARTBEAT_INTERVAL)
    except (RuntimeError, ValueError) as error:
        what = f"{METRICS}={address}" if address else f"{endpoint}"
        remedy = "give a free address of this machine, as 127.0.0.1:9464; each worker needs its own"
        # Work goes on unseen rather than not at all.
        _log.warning("no metrics: %s cannot be used (%s): %s", what, error, remedy)
        return None


def _headers(env: Mapping[str, str]) -> dict[str, str]:
    """Headers of a collector, as OpenTelemetry writes them: `name=value,name=value`."""
    text = env.get("OTEL_EXPORTER_OTLP_METRICS_HEADERS") or env.get("OTEL_EXPORTER_OTLP_HEADERS") or ""
    pairs = (each.partition("=") for each in text.split(","))
    return {name.strip(): value.strip() for name, separator, value in pairs if separator}
