"""A real Prometheus, with the example's configuration, reads a worker, its alerts and what the dashboard asks."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from tests.command_line import ROOT, Cli, line_with, stop, wait_for
from tests.service.test_telemetry import DASHBOARD, free_address
from tests.support import tasks

EXAMPLE = ROOT / "examples/monitoring"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("prometheus"), reason="needs Prometheus (Debian: apt-get install prometheus)"),
]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, temporal_binary: str) -> Iterator[Cli]:
    """A worker with metrics, and an execution that has ended with a part."""
    environment = {"EPW_METRICS": free_address()}
    cli = Cli(tmp_path_factory.mktemp("prometheus") / "home", temporal_binary, environment)
    process = cli.popen("up")
    line_with(process, "task queue")
    rows = tasks({"id": "good", "run": "true"}, {"id": "bad", "run": "exit 1"})
    cli("start", cli.plan({"tasks": rows, "strategy": "aggressive"}), "--id", "part")
    cli("watch", "part", code=1)
    yield cli
    stop(process)


@contextmanager
def scraping(cli: Cli, folder: Path) -> Iterator[str]:
    """The example's Prometheus in a folder of its own, in a hurry; the address of its API."""
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True)
    config, address = folder / "prometheus.yml", free_address()
    text = config.read_text().replace("127.0.0.1:9464", cli.environment["EPW_METRICS"]).replace("15s", "1s")
    config.write_text(text)
    argv = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/data"]
    argv += [f"--web.listen-address={address}", "--log.level=error"]
    with subprocess.Popen(argv, cwd=folder) as process:
        try:
            yield f"http://{address}/api/v1"
        finally:
            process.terminate()


def asked(url: str, **query: str) -> Any:
    """The data of an answer; None while there is none."""
    try:
        with urlopen(f"{url}?{urlencode(query)}", timeout=10) as answer:
            return json.loads(answer.read())["data"]
    except OSError:
        return None


def value(api: str, query: str) -> float | None:
    found = asked(f"{api}/query", query=query)
    return float(found["result"][0]["value"][1]) if found and found["result"] else None


def test_prometheus_takes_the_example(tmp_path: Path) -> None:
    checked = subprocess.run(
        ["promtool", "check", "config", "prometheus.yml"], cwd=EXAMPLE, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    assert "4 rules found" in checked.stdout


def test_what_a_worker_counts_is_what_prometheus_has_and_the_dashboard_asks(up: Cli, tmp_path: Path) -> None:
    with scraping(up, tmp_path) as api:
        assert wait_for(lambda: value(api, 'sum(epw_executions_total{status="partial"})'), 60) == 1
        assert value(api, 'sum(epw_tasks_total{status="succeeded"})') == 1
        assert value(api, 'sum(epw_tasks_total{status="failed"})') == 1
        assert value(api, "sum(up)") == 1
        assert (value(api, "sum(temporal_worker_task_slots_available)") or 0) > 0
        board = json.loads(DASHBOARD.read_text())
        panels = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
        assert len(panels) > 5
        for expression in panels:
            assert asked(f"{api}/query", query=expression.replace("$__rate_interval", "1m")) is not None, expression
        rules = asked(f"{api}/rules")["groups"][0]["rules"]
        assert sorted(each["name"] for each in rules) == [
            *("EpwAttemptsWait", "EpwExecutionsFail", "EpwModelErrors", "EpwNoWorker"),
        ]
        assert {each["health"] for each in rules} <= {"ok", "unknown"}
        assert not [each for each in asked(f"{api}/alerts")["alerts"] if each["state"] == "firing"]
