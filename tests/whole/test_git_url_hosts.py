"""Hosts that share a git URL and the Temporal server, and nothing else: real servers, one host killed in the middle."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from temporalio.testing import WorkflowEnvironment

from tests.command_line import Cli, line_with, stop
from tests.git_servers import SSHD, HttpServer, ssh_server
from tests.repositories import bare_repository
from tests.site import Site
from tests.support import ended, eventually, sh, tasks, until

CANARY = "swordfish-4711-canary"
PAIRS = 20
STEPS = (
    "url.pushing",
    "url.pushed",
    "run_task.fetched",
    "run_task.pushed",
    "land.fetched",
    "land.pushed",
    "push.begun",
    "push.done",
    "deliver.pushed",
)


def pairs(count: int) -> list[dict[str, Any]]:
    """Twice as many tasks: the two of each pair append to one file, and note which host has run them."""
    return tasks(
        *(
            {
                "id": f"{name}{pair}",
                "run": f"echo {name} >> shared{pair}; mkdir -p who; pwd > who/{name}{pair}; sleep 1",
            }
            for pair in range(count)
            for name in ("ours", "theirs")
        )
    )


def shared_files(count: int) -> dict[str, str]:
    return {f"shared{pair}": "begin\n" for pair in range(count)}


class Hosts:
    """Hosts with worker processes on one server."""

    def __init__(self, server: WorkflowEnvironment, temporal: str, folder: Path, settings: str) -> None:
        self._own = {
            "TEMPORAL_ADDRESS": server.client.service_client.config.target_host,
            "TEMPORAL_NAMESPACE": server.client.namespace,
            "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"),
        }
        (folder / "gitconfig").write_text(f"[user]\n\tname = Ada\n\temail = ada@example.org\n{settings}")
        self._temporal = temporal
        self._folder = folder
        self.logs: list[str] = []

    def host(self, name: str) -> Cli:
        (self._folder / name).mkdir()
        return Cli(self._folder / name / "home", self._temporal, self._own)

    @contextmanager
    def working(self, host: Cli) -> Iterator[subprocess.Popen[str]]:
        """A worker of a host while the block runs, with so many slots that another has to help."""
        worker = host.popen("worker", "--slots", "4")
        try:
            line_with(worker, "worker ready")
            yield worker
        finally:
            with contextlib.suppress(ProcessLookupError):
                _, out = stop(worker)
                self.logs.append(out)


def kill(worker: subprocess.Popen[str]) -> None:
    """End a host: its worker, whoever would start it again, and its agents' git."""
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()


async def check_two_hosts(
    server: WorkflowEnvironment, hosts: Hosts, url: str, origin: Path, execution_id: str, folder: Path
) -> None:
    """Forty tasks with conflicts on two hosts, one of which is killed in the middle: all lands."""
    dies, stays = hosts.host("dies"), hosts.host("stays")
    plan = {"workspace": url, "maxAgents": 8, "onConflict": ["retry", "merge"], "tasks": pairs(PAIRS)}
    path = stays.plan(plan)
    with hosts.working(stays), hosts.working(dies) as victim:
        await asyncio.to_thread(stays, "start", path, "--id", execution_id)
        handle = server.client.get_workflow_handle(execution_id)
        await until(handle, lambda progress: progress["counts"].get("succeeded", 0) >= PAIRS // 2, 120)
        await asyncio.to_thread(kill, victim)
        await ended(handle, 240)
        document = await asyncio.to_thread(stays.json, "status", execution_id)
    errors = [(row["taskId"], row["error"]["message"]) for row in document["results"] if row["error"]]
    assert document["status"] == "succeeded", (errors, hosts.logs)
    assert document["conflicts"]
    branch = document["delivery"]["branch"]
    assert sh(origin, "git", "rev-parse", branch).strip() == document["delivery"]["head"]
    for pair in range(PAIRS):
        assert sorted(sh(origin, "git", "show", f"{branch}:shared{pair}").split()) == ["begin", "ours", "theirs"]
    where = [sh(origin, "git", "show", f"{branch}:who/{row['taskId']}") for row in document["results"]]
    assert all(any(str(each.home) in path for path in where) for each in (dies, stays))
    listed = sh(origin, "git", "for-each-ref", "--format=%(refname)", f"refs/epw/{execution_id}").split()
    assert len([ref for ref in listed if "/tasks/" in ref]) >= 2 * PAIRS
    assert await asyncio.to_thread(stays, "doctor", execution_id)
    history = json.dumps((await handle.fetch_history()).to_json_dict())
    assert CANARY not in history
    await asyncio.to_thread(stays, "gc", execution_id, "--yes")
    assert sh(origin, "git", "for-each-ref", f"refs/epw/{execution_id}") == ""
    assert sh(origin, "git", "show", f"{branch}:shared0")
    assert CANARY not in json.dumps(document) + "".join(hosts.logs)
    for found in folder.rglob("*"):
        if found.is_file() and found.name != "gitconfig":
            assert CANARY.encode() not in found.read_bytes(), found


@pytest.mark.slow
@pytest.mark.skipif(SSHD is None, reason="sshd (Debian: openssh-server) is missing")
async def test_two_hosts_over_ssh_and_one_is_killed(
    server: WorkflowEnvironment, temporal_binary: str, tmp_path: Path
) -> None:
    origin = bare_repository(tmp_path, shared_files(PAIRS))
    with ssh_server(tmp_path / "ssh") as (begin, command):
        hosts = Hosts(server, temporal_binary, tmp_path, f"[core]\n\tsshCommand = {command}\n")
        await check_two_hosts(server, hosts, f"{begin}{origin}", origin, "over-ssh", tmp_path)


@asynccontextmanager
async def watched_arguments(found: set[str]) -> AsyncIterator[None]:
    """Note the arguments of every process of the machine that has the canary in them, while the block runs."""

    def look() -> None:
        for each in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if CANARY.encode() in (said := each.read_bytes()):
                    found.add(said.decode(errors="replace"))

    async def watch() -> None:
        while True:
            await asyncio.to_thread(look)
            await asyncio.sleep(0.02)

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()


@pytest.mark.slow
async def test_two_hosts_over_http_with_a_password_from_a_helper_that_is_nowhere(
    server: WorkflowEnvironment, temporal_binary: str, tmp_path: Path
) -> None:
    (tmp_path / "srv").mkdir()
    origin = bare_repository(tmp_path / "srv", shared_files(PAIRS))
    sh(origin, "git", "config", "http.receivepack", "true")
    helper, secret = tmp_path / "helper", tmp_path.parent / f"{tmp_path.name}.secret"
    helper.write_text(f"#!/bin/sh\necho username=ada; sed 's/^/password=/' {secret}\n")
    helper.chmod(0o700)
    secret.write_text(f"{CANARY}\n")
    leaked = set[str]()
    served = HttpServer(tmp_path / "srv", "ada", CANARY)
    async with served.serving() as begin, watched_arguments(leaked):
        hosts = Hosts(server, temporal_binary, tmp_path, f"[credential]\n\thelper = {helper}\n")

        async def go_away() -> None:
            """Be away for a while, once the work is under way."""
            await eventually(lambda: served.answered > 60, 120)
            served.is_away = True
            await asyncio.sleep(4)
            served.is_away = False

        away = asyncio.create_task(go_away())
        await check_two_hosts(server, hosts, f"{begin}/origin.git", origin, "over-http", tmp_path)
        await away
    assert not leaked


async def test_a_worker_that_dies_at_any_step_of_the_exchange_loses_nothing(site: Site, tmp_path: Path) -> None:
    origin = bare_repository(tmp_path, {"shared": "1\n2\n3\n4\n5\n6\n"})
    count = f'echo "$EPW_TASK_ID" >> {tmp_path}/ran;'
    plan = {
        "workspace": f"file://{origin}",
        "sandbox": "none",
        "tasks": tasks(
            {"id": "a", "run": f"{count} sed -i s/1/one/ shared"},
            {"id": "b", "run": f"{count} sed -i s/6/six/ shared", "dependsOn": ["a"]},
        ),
    }
    asked = [site.ask(step, kill=["worker"]) for step in STEPS]
    document = await site.run(plan, "exchanged", asked, 200)
    assert document["status"] == "succeeded", document
    assert sh(origin, "git", "show", "epw/exchanged:shared") == "one\n2\n3\n4\n5\nsix\n"
    assert sh(origin, "git", "for-each-ref", "--format=%(refname)", "refs/heads").split() == [
        "refs/heads/epw/exchanged",
        "refs/heads/main",
    ]
    # What was saved and pushed is found, and not done again.
    assert sorted((tmp_path / "ran").read_text().split()) == ["a", "b"]
