"""Workers of several hosts and versions, as processes, on one server."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from epw.core.messages import TASK_QUEUE
from epw.service.pollers import version_of
from epw.service.replay import replay
from tests.command_line import Cli, line_with, stop, wait_for
from tests.support import make_repository, sh, tasks


class Fleet:
    """Hosts of one server, each a state directory; their workers end with the test."""

    def __init__(self, server: WorkflowEnvironment, folder: Path, temporal: str) -> None:
        config = server.client.service_client.config
        self.variables = {"TEMPORAL_ADDRESS": config.target_host, "TEMPORAL_NAMESPACE": server.client.namespace}
        self._folder, self._temporal = folder, temporal
        self.processes: list[subprocess.Popen[str]] = []

    def host(self, name: str) -> Cli:
        return Cli(self._folder / name, self._temporal, self.variables)

    def worker(self, host: Cli, *options: str, says: str = "worker ready") -> subprocess.Popen[str]:
        """A worker that polls."""
        process = host.popen(*options, script="worker.py")
        self.processes.append(process)
        line_with(process, says)
        return process

    def temporal(self, *arguments: str) -> str:
        address = ["--address", self.variables["TEMPORAL_ADDRESS"], "--namespace", self.variables["TEMPORAL_NAMESPACE"]]
        done = subprocess.run(
            [self._temporal, *arguments, *address], capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def fleet(server: WorkflowEnvironment, tmp_path: Path, temporal_binary: str) -> Iterator[Fleet]:
    made = Fleet(server, tmp_path, temporal_binary)
    yield made
    for process in made.processes:
        process.kill()
        process.communicate(timeout=10)


def blocked(marks: Path, name: str) -> str:
    """A command that says that it has begun, and goes on once it is let."""
    return f"touch {marks}/{name}.begun; while [ ! -e {marks}/{name}.go ]; do sleep 0.05; done; echo {name} > {name}"


def rows(document: dict[str, Any]) -> dict[str, Any]:
    return {row["taskId"]: row for row in document["results"]}


def listed(host: Cli, is_meant: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    """The two workers that are meant: a worker is known within seconds, and those of other tests for half a minute."""
    found: list[dict[str, Any]] = wait_for(
        lambda: len(some := [each for each in host.json("workers") if is_meant(each)]) == 2 and some
    )
    return found


@pytest.mark.slow
def test_a_host_that_is_killed_is_waited_for_while_another_works(fleet: Fleet, tmp_path: Path) -> None:
    ours, other = fleet.host("ours"), fleet.host("other")
    repository = make_repository(tmp_path / "repository")
    killed = fleet.worker(ours, "--slots", "2", "--label", "gpu")
    fleet.worker(other, "--label", "docker")
    gpu, docker = listed(other, lambda each: each["labels"] in (["gpu"], ["docker"]))
    if gpu["labels"] != ["gpu"]:
        gpu, docker = docker, gpu
    assert (gpu["slots"], gpu["slotsFree"], gpu["pid"], docker["slots"]) == (2, 2, killed.pid, None)
    assert gpu["host"] != docker["host"]
    plan = {
        "workspace": str(repository),
        "sandbox": "none",
        "tasks": tasks(
            {"id": "a", "run": blocked(tmp_path, "a")},
            {"id": "b", "run": "echo b > b", "dependsOn": ["a"], "needs": ["gpu"]},
        ),
    }
    identifier = ours("start", ours.plan(plan)).stdout.strip()
    wait_for(lambda: (tmp_path / "a.begun").exists())
    killed.kill()
    killed.wait(10)
    waiting = wait_for(
        lambda: (found := rows(other.json("status", identifier))["a"])["status"] == "waiting" and found, 90
    )
    assert (waiting["waitingFor"], waiting["waitingHost"]) == ("host", gpu["host"])
    said = other("status", identifier).stderr
    assert f"no worker of host {gpu['host']} is free or there: `epw worker` there goes on with it" in said
    wait_for(lambda: {each["executionId"]: each["waiting"] for each in other.json("list")}[identifier] == "host", 60)
    (tmp_path / "a.go").touch()
    fleet.worker(ours, "--label", "gpu")
    document = other.json("watch", identifier)
    assert (document["status"], {row["attempts"] for row in document["results"]}) == ("succeeded", {1})
    assert sh(repository, "git", "show", f"{document['delivery']['branch']}:b") == "b\n"
    assert not (other.home / "hubs").exists()


@pytest.mark.slow
async def test_an_execution_ends_on_the_version_on_which_it_began(
    fleet: Fleet, server: WorkflowEnvironment, tmp_path: Path
) -> None:
    host, repository = fleet.host("host"), make_repository(tmp_path / "repository")
    marks = {name: tmp_path / f"{name}.begun" for name in ("old", "left", "new")}
    options = ["--deployment", tmp_path.name]

    async def start(name: str) -> str:
        first = {"id": name, "run": blocked(tmp_path, name)}
        after = {"id": "after", "run": "true", "dependsOn": [name]}
        plan = {"workspace": str(repository), "sandbox": "none", "tasks": tasks(first, after)}
        identifier = (await asyncio.to_thread(host, "start", host.plan(plan))).stdout.strip()
        await asyncio.to_thread(wait_for, marks[name].exists)
        return identifier

    first = await asyncio.to_thread(fleet.worker, host, "--version", "1", *options)
    old, left = await start("old"), await start("left")
    second = await asyncio.to_thread(fleet.worker, host, "--version", "2", *options)
    await asyncio.to_thread(host, "workers", "--current", "2", *options)
    new = await start("new")
    found = await asyncio.to_thread(listed, host, lambda each: each["deployment"] == tmp_path.name)
    assert {each["version"]: each["versionStatus"] for each in found} == {"1": "draining", "2": "current"}
    for name in ("old", "new"):
        (tmp_path / f"{name}.go").touch()
    for each in (old, new):
        assert (await asyncio.to_thread(host.json, "watch", each))["status"] == "succeeded"
    handles = {each: server.client.get_workflow_handle(each) for each in (old, new, left)}
    assert await workers_of(handles[old]) == {first.pid}
    assert await workers_of(handles[new]) == {second.pid}

    # With its workers gone, an execution waits, and can be moved to another version.
    first.kill()
    first.wait(10)
    said = await asyncio.to_thread(
        wait_for, lambda: "version 1" in (found := host("status", left).stderr) and found, 120
    )
    assert "`epw worker --version 1` goes on with it" in said
    move = ["--versioning-override-behavior", "auto_upgrade"]
    fleet.temporal("workflow", "update-options", "--workflow-id", left, *move)
    (tmp_path / "left.go").touch()
    assert (await asyncio.to_thread(host.json, "watch", left))["status"] == "succeeded"
    assert await workers_of(handles[left]) == {first.pid, second.pid}
    for handle in handles.values():
        assert await replay(await handle.fetch_history()) is None
    assert (await asyncio.to_thread(stop, second, signal.SIGTERM))[0] == 0

    # Without one of the current version, a worker gets nothing, until that is undone.
    alone = await asyncio.to_thread(fleet.worker, host, says="new executions begin on workers of version 2")
    await asyncio.to_thread(host, "workers", "--current", "none", *options)
    assert await version_of(server.client, TASK_QUEUE) is None
    (tmp_path / "plain.go").touch()
    marks["plain"] = tmp_path / "plain.begun"
    assert (await asyncio.to_thread(host.json, "watch", await start("plain")))["status"] == "succeeded"
    assert (await asyncio.to_thread(stop, alone, signal.SIGTERM))[0] == 0


async def workers_of(handle: WorkflowHandle[Any, Any]) -> set[int]:
    """Process ids of the workers that have taken something of an execution."""
    found = set()
    async for event in handle.fetch_history_events():
        for attributes in (event.workflow_task_started_event_attributes, event.activity_task_started_event_attributes):
            process, at, _ = attributes.identity.partition("@")
            if at:
                found.add(int(process))
    return found
