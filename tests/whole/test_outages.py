"""Servers that are away, workers that freeze and wake, runs that are reset: no agent's work is done twice or lost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType

from epw.core.plan.validate import read_plan
from tests.command_line import ROOT, wait_for
from tests.site import Site
from tests.support import check_invariants, ended, fingerprint, make_repository, tasks

_TIMED_OUT = EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT


@asynccontextmanager
async def worker(site: Site, *asked: dict[str, Any]) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {**site.cli.env, "EPW_FAILPOINT": json.dumps(asked)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "worker.py"), env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
        process.terminate()
        assert await process.wait() == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()


async def appears(path: Path, seconds: float = 60) -> None:
    await asyncio.to_thread(wait_for, path.exists, seconds)


async def document_of(site: Site, plan: dict[str, Any], identifier: str) -> dict[str, Any]:
    """The document of an execution that has ended, its invariants checked."""
    handle = site.connection.client.get_workflow_handle(identifier)
    await ended(handle, 120)
    document: dict[str, Any] = await asyncio.to_thread(site.cli.json, "status", identifier)
    await check_invariants(read_plan(plan), document, handle, site.cli.home)
    return document


@pytest.mark.slow
@pytest.mark.parametrize("outage", ["killed for 10 s", "frozen for 20 s"])
async def test_no_agent_restarts_while_the_server_is_away(site: Site, tmp_path: Path, outage: str) -> None:
    counted = [{"id": f"t{n}", "run": f"echo {n} >> {tmp_path}/ran; sleep {26 + n}"} for n in range(3)]
    plan = {"maxAgents": 3, "tasks": tasks(*counted)}
    running = asyncio.create_task(site.run(plan, f"away-{outage[:6]}", []))
    await appears(tmp_path / "ran")
    note = json.loads(Path(site.server).read_text())
    if outage.startswith("killed"):
        os.kill(note["guardian"][0], signal.SIGSTOP)
        os.kill(note["pid"], signal.SIGKILL)
        await asyncio.sleep(10)
        os.kill(note["guardian"][0], signal.SIGCONT)
    else:
        os.kill(note["pid"], signal.SIGSTOP)
        await asyncio.sleep(20)
        os.kill(note["pid"], signal.SIGCONT)
    document = await running
    assert document["status"] == "succeeded"
    assert sorted((tmp_path / "ran").read_text().split()) == ["0", "1", "2"]


async def test_a_killed_worker_is_replaced_and_its_attempt_told_of_at_once(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Far below the heartbeat timeout of 30 s, which alone would notice it."""
    count = f'date +%s.%N >> {tmp_path}/ran; if [ "$(wc -l < {tmp_path}/ran)" = 1 ]; then sleep 1000; fi'
    running = asyncio.create_task(site.run({"tasks": tasks({"id": "a", "run": count})}, "replaced", []))
    await appears(tmp_path / "ran")
    (record,) = (site.cli.home / "running").glob("*.worker")
    killed = time.time()
    os.kill(int(record.stem), signal.SIGKILL)
    document = await running
    assert document["status"] == "succeeded"
    first, second = map(float, (tmp_path / "ran").read_text().split())
    assert first < killed < second < killed + 20
    history = site.connection.client.get_workflow_handle("replaced").fetch_history_events()
    timed_out = [event async for event in history if event.event_type == _TIMED_OUT]
    assert not timed_out, "the next workflow task waited for the dead worker"
    with capsys.disabled():
        print(f" next attempt {second - killed:.1f} s after the kill", end="")


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["run.set-up", "run.ended", "land.merged", "deliver.begun", "deliver.step"])
async def test_a_frozen_worker_that_wakes_changes_nothing(site: Site, tmp_path: Path, moment: str) -> None:
    path = make_repository(tmp_path / "work", {"shared": "1\n2\n3\n4\n5\n6\n", "other": "o\n"})
    once = f'echo $EPW_TASK_ID >> {tmp_path}/ran; [ "$(wc -l < {tmp_path}/ran)" != 2 ] || sleep 6;'
    plan = {
        "workspace": str(path),
        "deliver": "apply",
        "strategy": "aggressive",
        "tasks": tasks(
            {"id": "a", "run": f"{once} sed -i s/1/one/ shared; echo new > new"},
            {"id": "b", "run": "sed -i s/6/six/ shared", "dependsOn": ["a"]},
        ),
    }
    identifier = f"zombie-{moment}"
    freeze = site.ask(moment, run=["bash", "-c", f"echo $PPID > {tmp_path}/frozen; kill -STOP $PPID"])
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(plan))
    async with worker(site, freeze) as zombie:
        await asyncio.to_thread(site.cli, "start", str(file), "--id", identifier)
        await appears(tmp_path / "frozen")
        async with worker(site):
            # Long enough for the server to give the attempt to the successor.
            await asyncio.sleep(36)
            os.kill(zombie.pid, signal.SIGCONT)
            document = await document_of(site, plan, identifier)
    assert document["status"] == "succeeded", document["results"]
    assert [row["attempts"] for row in document["results"]] == [1, 1]
    assert (path / "shared").read_text() == "one\n2\n3\n4\n5\nsix\n"
    assert not list(path.glob(".epw-*"))


@pytest.mark.parametrize("moment", ["task", "landing", "delivery"])
async def test_a_reset_execution_ends_as_if_it_had_not_been(site: Site, tmp_path: Path, moment: str) -> None:
    path = make_repository(tmp_path / "work", {"shared": "1\n2\n3\n"})
    identifier = f"reset-{moment}"
    reset = ["workflow", "reset", "-w", identifier, "--type", "FirstWorkflowTask", "--reason", "test"]
    point = {"task": "run.set-up", "landing": "land.merged", "delivery": "deliver.step"}[moment]
    plan = {
        "workspace": str(path),
        "deliver": "apply",
        "tasks": tasks(
            {"id": "a", "run": "sleep 0.3; sed -i s/1/one/ shared; echo new > new"},
            {"id": "b", "run": "sed -i s/3/three/ shared", "dependsOn": ["a"]},
        ),
    }
    asked = site.ask(point, run=site.temporal(*reset))
    document = await site.run(plan, identifier, [asked])
    assert document["status"] == "succeeded", document.get("error")
    assert (path / "shared").read_text() == "one\n2\nthree\n"
    assert (path / "new").read_text() == "new\n"
    assert not list(path.glob(".epw-*"))


@pytest.mark.parametrize("same", [False, True], ids=["other lines", "same line"])
async def test_two_executions_on_one_workspace_both_end(site: Site, tmp_path: Path, same: bool) -> None:
    path = make_repository(tmp_path / "work", {"shared": "1\n2\n3\n4\n5\n6\n"})
    lines = ("s/1/first/", "s/1/second/" if same else "s/6/second/")
    plans = [
        {
            "workspace": str(path),
            "deliver": "apply",
            # Each waits until the other has begun: both see the same base.
            "tasks": tasks(
                {
                    "id": "a",
                    "run": f"touch {tmp_path}/begun{n}; while [ ! -e {tmp_path}/begun{1 - n} ]; do sleep 0.05; done; "
                    f"sed -i {line} shared",
                }
            ),
        }
        for n, line in enumerate(lines)
    ]
    names = [f"two-{n}-{same}" for n in range(2)]
    found = await asyncio.gather(*(site.run(plan, name, []) for plan, name in zip(plans, names, strict=True)))
    text = (path / "shared").read_text()
    if not same:
        assert [each["status"] for each in found] == ["succeeded", "succeeded"]
        assert text == "first\n2\n3\n4\n5\nsecond\n"
    else:
        assert sorted(each["status"] for each in found) == ["succeeded", "undelivered"]
        winner = next(n for n, each in enumerate(found) if each["status"] == "succeeded")
        assert text == f"{('first', 'second')[winner]}\n2\n3\n4\n5\n6\n"


def chattr(change: str, path: Path) -> str:
    """Make a file immutable, or not; why that failed, if it did."""
    argv = ["chattr", change, str(path)]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stderr.strip()


@pytest.mark.slow
async def test_a_rollback_that_cannot_finish_says_how_to_and_hinders_nobody_else(site: Site, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work", {f"big/{number}": "1\n" for number in range(20)})
    before = fingerprint(path)
    plan = {"workspace": str(path), "deliver": "apply", "tasks": tasks({"id": "a", "run": "sed -i s/1/2/ big/*"})}
    if refused := chattr("+i", path / "big/0"):
        pytest.skip(f"files cannot be made immutable here: {refused}")
    chattr("-i", path / "big/0")
    block = site.ask("deliver.step", run=["chattr", "+i", str(path / "big")], kill=["worker"])
    try:
        document = await site.run(plan, "stuck", [block], seconds=400)
        assert document["status"] == "rollback_failed", document
        assert document["delivery"]["finishWith"]
        listed = await asyncio.to_thread(site.cli, "list")
        assert "could not be undone" in listed.stderr
        other = tmp_path / "other.json"
        other.write_text(json.dumps({"tasks": tasks({"id": "a", "run": "true"})}))
        await asyncio.to_thread(site.cli, "run", str(other))
    finally:
        chattr("-i", path / "big")
    await asyncio.to_thread(site.cli, "list")
    assert fingerprint(path) == before
