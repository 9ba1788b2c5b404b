"""Traces and metrics of a worker, as a collector and as Prometheus get them."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from epw.service.telemetry.telemetry import telemetry
from tests.command_line import ROOT
from tests.http_server import served
from tests.messages_api import Turn
from tests.scripted import FINISH, Claude
from tests.site import Site
from tests.support import make_repository, tasks

DASHBOARD = ROOT / "examples/monitoring/grafana-dashboard.json"
ALERTS = ROOT / "examples/monitoring/alerts.yml"
BUILT_IN = {"sum", "rate", "by", "histogram_quantile", "increase", "le", "clamp_min", "max", "absent"}


class Collector:
    """An OpenTelemetry collector that keeps the spans it gets."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.url = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Collector]:
        app = web.Application()
        app.router.add_post("/v1/traces", self._take)
        async with served(app) as address:
            self.url = f"http://{address}"
            yield self

    async def _take(self, request: web.Request) -> web.Response:
        taken = ExportTraceServiceRequest.FromString(await request.read())
        for resource in taken.resource_spans:
            for scope in resource.scope_spans:
                self.spans += scope.spans
        return web.Response()

    def tree(self) -> set[tuple[str, str]]:
        """The name of each span with its parent's; of the root with an empty one."""
        names = {span.span_id: span.name for span in self.spans}
        return {(span.name, names[span.parent_span_id] if span.parent_span_id else "") for span in self.spans}


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


async def test_an_execution_is_one_trace_and_prometheus_reads_its_numbers(idle_claude: Claude, tmp_path: Path) -> None:
    metrics = free_address()
    async with Collector().serving() as collector:
        switched_on = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "EPW_METRICS": metrics}
        cli = idle_claude.site.cli
        cli.environment.update(switched_on)
        idle_claude.script(
            {"a": [Turn("", [("Write", {"file_path": "new.txt", "content": "Secret words"})]), Turn("", [FINISH])]}
        )
        plan = {
            "workspace": str(make_repository(tmp_path / "work")),
            "tasks": tasks(
                {"id": "a", "description": "Secret words"},
                {"id": "b", "agent": "command", "run": "exit 7", "dependsOn": ["a"]},
            ),
        }
        try:
            async with idle_claude.worker():
                document = await idle_claude.run(plan)
                scraped = await asyncio.to_thread(_read, f"http://{metrics}/metrics")
        finally:
            for name in switched_on:
                del cli.environment[name]
    assert document["status"] == "partial"
    model = document["results"][0]["usage"] and next(
        dict(_attributes(span))["gen_ai.request.model"] for span in collector.spans if span.name.startswith("chat")
    )
    assert collector.tree() == {
        ("execution", ""),
        ("prepare", "execution"),
        ("task a", "execution"),
        ("attempt a", "task a"),
        (f"chat {model}", "attempt a"),
        ("execute_tool Write", "attempt a"),
        ("execute_tool finish", "attempt a"),
        ("land", "execution"),
        ("task b", "execution"),
        ("attempt b", "task b"),
        ("deliver", "execution"),
        ("anthropic.messages.create", f"chat {model}"),
    }
    assert len({span.trace_id for span in collector.spans}) == 1
    assert len([span for span in collector.spans if span.name == "attempt b"]) == 4
    assert not any(b"Secret words" in span.SerializeToString() for span in collector.spans)
    found = set(re.findall(r"^# TYPE (\S+)", scraped, re.MULTILINE))
    read, written = idle_claude.api.tokens()
    assert '{status="partial"} 1' in re.sub(r"[a-z_]+=\"(?!partial)[^\"]*\",?", "", scraped)
    tokens = re.findall(r'gen_ai_client_token_usage\S*_sum\{.*gen_ai_token_type="(\w+)".*\} (\d+)', scraped)
    assert {kind: int(count) for kind, count in tokens} == {"input": read, "output": written}
    # Nothing has conflicted here.
    found.add("epw_conflicts_total")
    for expression in [*_panels(json.loads(DASHBOARD.read_text())), *_alerts(yaml.safe_load(ALERTS.read_text()))]:
        used = set(re.findall(r"[a-z_]{4,}(?=[{\[(]|$)", re.sub(r"by \([^)]*\)", "", expression))) - BUILT_IN
        assert {re.sub("_(bucket|sum|count)$", "", each) for each in used} <= found, expression


def _read(url: str) -> str:
    with urlopen(url) as page:
        return str(page.read().decode())


def _attributes(span: Span) -> list[tuple[str, str]]:
    return [(each.key, each.value.string_value) for each in span.attributes]


def _panels(dashboard: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def _alerts(rules: dict[str, Any]) -> list[str]:
    return [rule["expr"] for group in rules["groups"] for rule in group["rules"]]


def test_an_address_that_cannot_be_used_is_named_and_work_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for address in ("no address", f"127.0.0.1:{taken.getsockname()[1]}"):
            with telemetry({"EPW_METRICS": address}) as found:
                assert found.runtime is None
            assert f"EPW_METRICS={address}" in caplog.text


def test_nothing_is_switched_on_by_itself(site: Site) -> None:
    with telemetry({}) as found:
        assert (found.runtime, found.interceptors) == (None, ())
