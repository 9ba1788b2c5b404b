"""Several worker processes behind one command: they share slots, one that is killed costs time, all stop together."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from activities.processes.process_tree import MARKER
from activities.system.process_identity import SUPERVISED_BY
from epw.core.errors import InvalidRequest
from epw.service.telemetry.address import metrics_address
from epw.service.worker_options import HELD, WorkerOptions
from tests.command_line import ROOT, line_with, stop, wait_for
from tests.site import Site
from tests.support import tasks


def test_processes_share_the_slots() -> None:
    assert [each.slots for each in WorkerOptions(slots=8).shared_by(3)] == [3, 3, 2]
    assert [each.slots for each in WorkerOptions().shared_by(2)] == [None, None]
    with pytest.raises(InvalidRequest, match="--slots 2: each of 3 processes"):
        WorkerOptions(slots=2).shared_by(3)


@pytest.mark.parametrize(
    "options", [WorkerOptions(), WorkerOptions(3, ("a", "gpu"), timedelta(seconds=0.5), "1.2-x", "fleet")], ids=str
)
def test_a_process_gets_the_options_of_its_command(options: WorkerOptions) -> None:
    assert WorkerOptions.of_arguments([*options.arguments(), "--kept=17"]) == options


def test_each_process_has_an_address_for_its_metrics() -> None:
    environment = {"EPW_METRICS": "127.0.0.1:9464"}
    assert [metrics_address(environment, each) for each in (0, 2)] == [{}, {"EPW_METRICS": "127.0.0.1:9466"}]
    assert metrics_address({}, 1) == metrics_address({"EPW_METRICS": "nonsense"}, 1) == {}


def test_a_worker_that_is_held_ends_with_its_command_and_touches_nothing(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "epw.service.worker_process", HELD, f"{SUPERVISED_BY}{os.getpid()}"]
    environment = {**os.environ, "EPW_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (tmp_path / "home").exists()


def at_work() -> dict[int, str]:
    """Pids of agents by the marker of their attempts."""
    found = {}
    for process in psutil.process_iter():
        try:
            found[process.pid] = process.environ().get(MARKER, "")
        except psutil.Error:
            continue
    return {pid: marker for pid, marker in found.items() if marker.startswith("several")}


def _parent(pid: int) -> int | None:
    """Parent of a process; None where it has ended meanwhile, as what a command starts does all the time."""
    try:
        return psutil.Process(pid).ppid()
    except psutil.NoSuchProcess:
        return None


async def test_one_process_that_is_killed_costs_time_alone_and_all_stop_together(site: Site, tmp_path: Path) -> None:
    run = f"echo $PPID >> {tmp_path}/$EPW_TASK_ID; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done"
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"maxAgents": 2, "tasks": tasks(*({"id": each, "run": run} for each in "abc"))}))
    command = site.cli.popen("worker", "--processes", "2", "--slots", "2")
    try:
        await asyncio.to_thread(line_with, command, "worker ready · 2 processes")
        await asyncio.to_thread(site.cli, "start", str(plan), "--id", "several")
        await asyncio.to_thread(wait_for, lambda: all((tmp_path / each).exists() for each in "ab"))
        pids = {int(path.stem) for path in (site.cli.home / "running").glob("*.worker")}
        assert len(pids) == 2
        # With a slot each, both have one.
        (agent,) = (pid for pid in at_work() if _parent(pid) == min(pids))
        psutil.Process(min(pids)).kill()
        await asyncio.to_thread(line_with, command, "the worker ended (-9); starting another")
        await asyncio.to_thread(wait_for, lambda: not psutil.pid_exists(agent))
        (tmp_path / "go").touch()
        document = json.loads((await asyncio.to_thread(site.cli, "watch", "several", "--json")).stdout)
        assert [(row["status"], row["attempts"]) for row in document["results"]] == [("succeeded", 1)] * 3
        ran = {each: len((tmp_path / each).read_text().split()) for each in "abc"}
        assert sorted(ran.values()) == [1, 1, 2]
        assert [each.pid for each in psutil.Process(command.pid).children() if each.pid in pids] == [max(pids)]
    finally:
        code, out = await asyncio.to_thread(stop, command, signal.SIGTERM)
    assert code == 0
    assert "worker stops: it takes nothing new" in out
    assert not list((site.cli.home / "running").glob("*.worker"))
    assert at_work() == {}
