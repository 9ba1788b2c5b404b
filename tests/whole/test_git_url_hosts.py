"""Hosts that share a git URL and the Temporal server, and nothing else: real servers and networks, and what breaks."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from temporalio.client import WorkflowHandle

from tests.git_servers import SSHD, Certificates, HttpServer, SshServer, ssh_server
from tests.hosts import (
    CANARY,
    Host,
    Hosts,
    check,
    closed,
    collect,
    landed,
    plan_of,
    shared_files,
    temporal_server,
)
from tests.network import MISSING_FOR_CLOCKS, network, other_clock
from tests.repositories import bare_repository
from tests.site import Site
from tests.support import sh, tasks

PAIRS = 20
CUT_SECONDS = 30.0
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
Trouble = Callable[[Host, SshServer], Awaitable[None]]


async def host_dies(host: Host, git: SshServer) -> None:
    await asyncio.to_thread(host.kill)


async def link_is_cut(host: Host, git: SshServer) -> None:
    assert host.link is not None
    host.link.cut()
    await asyncio.sleep(CUT_SECONDS)
    host.link.mend()


async def git_server_dies(host: Host, git: SshServer) -> None:
    await asyncio.to_thread(git.kill)
    await asyncio.sleep(5)
    await asyncio.to_thread(git.start)


@pytest.mark.slow
@pytest.mark.skipif(SSHD is None, reason="sshd (Debian: openssh-server) is missing")
@pytest.mark.skipif(bool(MISSING_FOR_CLOCKS), reason=f"missing: {', '.join(MISSING_FOR_CLOCKS)}")
@pytest.mark.parametrize("trouble", [host_dies, link_is_cut, git_server_dies])
async def test_hosts_in_networks_and_times_of_their_own_land_all(
    temporal_binary: str, tmp_path: Path, trouble: Trouble
) -> None:
    origin = bare_repository(tmp_path, shared_files(PAIRS))
    with network() as net, ssh_server(tmp_path / "ssh", net.address) as git:
        async with temporal_server(temporal_binary, tmp_path, net.join()) as server:
            hosts = Hosts(server.address, temporal_binary, tmp_path, f"[core]\n\tsshCommand = {git.client}\n")
            stays = hosts.host("stays", net.join(), clock=other_clock(tmp_path, 3600))
            other = hosts.host("other", net.join())
            plan = plan_of(f"{git.begin}{origin}", PAIRS)
            client = await server.client()
            with hosts.working():
                await asyncio.to_thread(stays.cli, "start", stays.cli.plan(plan), "--id", "apart")
                handle = client.get_workflow_handle("apart")
                await landed(handle, PAIRS // 2)
                await trouble(other, git)
                await closed(handle)
                if trouble is host_dies:
                    # Nobody is left there to tidy up: a machine that comes back does.
                    await asyncio.to_thread(other.work)
                document = await check(hosts, handle, plan, origin)
                assert document["conflicts"]
                await check_both_worked(hosts, handle, origin)
                await collect(hosts, "apart", origin)


async def check_both_worked(hosts: Hosts, handle: WorkflowHandle, origin: Path) -> None:  # type: ignore[type-arg]
    paths = sh(origin, "git", "ls-tree", "-r", "--name-only", f"epw/{handle.id}", "who/").split()
    where = "".join(sh(origin, "git", "show", f"epw/{handle.id}:{path}") for path in paths)
    assert all(str(each.cli.home) in where for each in hosts.all)


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


def holders(folder: Path) -> list[str]:
    """Files and git objects in a folder that have the canary in them."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    found = [str(path) for path in files if CANARY.encode() in path.read_bytes()]
    for repository in {path.parent for path in files if path.name == "HEAD" and (path.parent / "objects").is_dir()}:
        objects = sh(repository, "git", "cat-file", "--batch-all-objects", "--batch", "--unordered", errors="replace")
        found += [f"{repository}: objects"] if CANARY in objects else []
    return found


@pytest.mark.slow
async def test_two_hosts_over_https_with_a_password_from_a_helper_that_is_nowhere(
    temporal_binary: str, tmp_path: Path
) -> None:
    (tmp_path / "srv").mkdir()
    origin = bare_repository(tmp_path / "srv", shared_files(PAIRS))
    sh(origin, "git", "config", "http.receivepack", "true")
    helper, secret = tmp_path / "helper", tmp_path.parent / f"{tmp_path.name}.secret"
    helper.write_text(f"#!/bin/sh\necho username=ada; sed 's/^/password=/' {secret}\n")
    helper.chmod(0o700)
    secret.write_text(f"{CANARY}\n")
    tls = Certificates(tmp_path / "tls", "127.0.0.1")
    settings = f"[credential]\n\thelper = {helper}\n[http]\n\tsslCAInfo = {tls.authority}\n"
    leaked = set[str]()
    served = HttpServer(tmp_path / "srv", "ada", CANARY)
    async with (
        served.serving(tls=tls.context) as begin,
        temporal_server(temporal_binary, tmp_path) as server,
        watched_arguments(leaked),
    ):
        hosts = Hosts(server.address, temporal_binary, tmp_path, settings)
        stays, dies = hosts.host("stays"), hosts.host("dies")
        plan = plan_of(f"{begin}/origin.git", PAIRS)
        client = await server.client()
        with hosts.working():
            await asyncio.to_thread(stays.cli, "start", stays.cli.plan(plan), "--id", "over-https")
            handle = client.get_workflow_handle("over-https")
            await landed(handle, PAIRS // 4)
            served.is_away = True
            await asyncio.sleep(4)
            served.is_away = False
            await landed(handle, PAIRS)
            await asyncio.to_thread(dies.kill)
            await closed(handle)
            await asyncio.to_thread(dies.work)
            await check(hosts, handle, plan, origin)
            await check_both_worked(hosts, handle, origin)
            for command in (("report", "over-https"), ("status", "over-https", "--json")):
                assert CANARY not in (await asyncio.to_thread(stays.cli, *command)).stdout
            await asyncio.to_thread(stays.cli, "report", "over-https", "--html", str(tmp_path / "report.html"))
            history = json.dumps((await handle.fetch_history()).to_json_dict())
            assert not await asyncio.to_thread(holders, tmp_path)
            await collect(hosts, "over-https", origin)
        assert CANARY not in history + hosts.said
        assert not await asyncio.to_thread(holders, tmp_path)
    assert not leaked


@pytest.mark.slow
async def test_a_server_whose_certificate_nobody_vouches_for_is_refused(temporal_binary: str, tmp_path: Path) -> None:
    tls = Certificates(tmp_path / "tls", "127.0.0.1")
    async with HttpServer(tmp_path, "ada", CANARY).serving(tls=tls.context) as begin:
        hosts = Hosts("127.0.0.1:1", temporal_binary, tmp_path, "")
        host = hosts.host("alone")
        done = await asyncio.to_thread(host.cli, "doctor", f"{begin}/origin.git", code=3)
        assert "certificate" in done.stdout


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
