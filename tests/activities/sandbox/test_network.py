"""Network of an agent: hosts of the plan by a proxy; this machine, its network and cloud metadata never by accident."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from activities.sandbox.levels import bubblewrap_problem
from activities.sandbox.network.policy import AccessDenied, NetworkPolicy
from tests.http_server import served
from tests.messages_api import Turn
from tests.scripted import Claude
from tests.support import Harness, failure_type, make_repository, sh, tasks

needs_bubblewrap = pytest.mark.skipif(bubblewrap_problem() is not None, reason=str(bubblewrap_problem()))
GET = """python3 - << 'END' > said 2>&1 || true
import urllib.request, urllib.error
for address in {addresses}:
    try:
        print(urllib.request.urlopen(urllib.request.Request(address, data={data}), timeout=20).read().decode())
    except urllib.error.HTTPError as error:
        print(error.code, error.read().decode())
    except OSError as error:
        print("failed", error)
END"""


@asynccontextmanager
async def site() -> AsyncIterator[str]:
    """A server on this machine; its address."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=f"served {request.path_qs} {len(await request.read())}")

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", answer)
    async with served(app) as address:
        yield address


async def said(harness: Harness, path: Path, run: str, **plan: Any) -> tuple[str, dict[str, Any]]:
    document = await harness.run(
        {"workspace": str(path), "sandbox": "bubblewrap", **plan, "tasks": tasks({"id": "a", "run": run})}
    )
    (row,) = document["results"]
    assert row["status"] == "succeeded", row
    return sh(path, "git", "show", f"{document['delivery']['branch']}:said"), row


@needs_bubblewrap
async def test_hosts_that_the_plan_names_are_reached_and_no_others(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work")
    async with site() as named, site() as other:
        run = GET.format(addresses=[f"http://{named}/a?b=1", f"http://{other}/"], data=b"x" * 100_000)
        told, row = await said(harness, path, run, network=[named])
    assert "served /a?b=1 100000" in told
    assert f"403 {other} is not among the hosts" in told
    assert any(other in warning for warning in row["warnings"])


@needs_bubblewrap
async def test_a_tunnel_goes_to_named_hosts_only(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work")
    tunnel = """python3 - << 'END' > said
import http.client, os, urllib.parse
proxy = urllib.parse.urlsplit(os.environ["HTTPS_PROXY"])
for host, port in {hosts}:
    connection = http.client.HTTPConnection(proxy.hostname, proxy.port)
    connection.set_tunnel(host, port)
    try:
        connection.request("GET", "/tunnelled")
        print(connection.getresponse().read().decode())
    except OSError as error:
        print(error)
END"""
    async with site() as named, site() as other:
        hosts = [(each.split(":")[0], int(each.split(":")[1])) for each in (named, other)]
        told, _ = await said(harness, path, tunnel.format(hosts=hosts), network=[named])
    assert "served /tunnelled" in told
    assert "403 Forbidden" in told


@needs_bubblewrap
async def test_with_the_network_allowed_this_machine_is_still_out_of_reach(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work")
    async with site() as here:
        port = here.partition(":")[2]
        addresses = [f"http://{host}:{port}/" for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0")]
        addresses += [f"http://169.254.169.254:{port}/latest/meta-data/"]
        # Its own loopback is its own; through the proxy it is refused.
        run = "export NO_PROXY= no_proxy=; " + GET.format(addresses=addresses, data=None)
        told, _ = await said(harness, path, run)
    assert "served" not in told
    assert told.count("403 ") == len(addresses)


@needs_bubblewrap
async def test_an_agent_has_a_loopback_of_its_own(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work")
    serve = "python3 -m http.server --bind 127.0.0.1 8999 & for i in 1 2 3 4 5 6 7 8 9; do sleep 0.2; "
    ask = "python3 -c 'import urllib.request as u; print(u.urlopen(\"http://localhost:8999/\").status)' && break; done"
    told, _ = await said(harness, path, f"{{ {serve}{ask}; }} > said 2>&1")
    assert "200" in told


@needs_bubblewrap
async def test_without_network_nothing_tells_of_a_proxy_and_none_listens(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work")
    look = "env | cut -d= -f1 | grep -i proxy > said || true; awk '$4 == \"0A\"' /proc/net/tcp | wc -l >> said"
    allowed, _ = await said(harness, path, look, network=True)
    assert "HTTPS_PROXY" in allowed
    assert int(allowed.split()[-1]) > 0
    without, _ = await said(harness, path, look, network=False)
    assert without.split() == ["0"]


@needs_bubblewrap
async def test_claude_code_without_network_still_has_its_model(claude: Claude, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work")
    port = claude.api.environment["ANTHROPIC_BASE_URL"].rpartition(":")[2]
    reach = {"command": f"bash -c 'echo > /dev/tcp/127.0.0.1/{port}' && echo reached > reached; true"}
    claude.script(
        lambda task, turn, request: [
            Turn(calls=[("Write", {"file_path": "x", "content": "1\n"})]),
            Turn(calls=[("Bash", reach)]),
            Turn("Done."),
        ][turn]
    )
    plan = {"workspace": str(path), "agent": "claude-code", "sandbox": "auto", "network": False}
    document = await claude.run({**plan, "tasks": tasks({"id": "a"})})
    assert document["status"] == "succeeded", document["results"]
    assert document["results"][0]["filesModified"] == ["x"]


@pytest.mark.parametrize(
    ("hosts", "host", "port", "resolved", "reached"),
    [
        (None, "example.org", 443, "93.184.216.34", True),
        (None, "inside.corp", 443, "10.0.0.5", False),
        (None, "rebinds.example", 443, "127.0.0.1", False),
        (None, "metadata.google.internal", 80, "169.254.169.254", False),
        (None, "168.63.129.16", 80, "168.63.129.16", False),
        (None, "[64:ff9b::7f00:1]", 80, "64:ff9b::7f00:1", False),
        (None, "[fd00:ec2::254]", 80, "fd00:ec2::254", False),
        (("pypi.corp",), "pypi.corp", 443, "10.0.0.5", True),
        (("pypi.corp",), "PyPI.corp.", 443, "10.0.0.5", True),
        (("rebinds.example",), "rebinds.example", 443, "127.0.0.1", False),
        (("rebinds.example",), "rebinds.example", 443, "169.254.169.254", False),
        (("*.example.org",), "a.b.example.org", 443, "93.184.216.34", True),
        (("*.example.org",), "example.org", 443, "93.184.216.34", False),
        (("*.example.org",), "badexample.org", 443, "93.184.216.34", False),
        (("example.org:443",), "example.org", 80, "93.184.216.34", False),
        (("10.0.0.5:5432",), "10.0.0.5", 5432, "10.0.0.5", True),
        (("[::1]:80",), "[::1]", 80, "::1", True),
        ((), "example.org", 443, "93.184.216.34", False),
    ],
)
async def test_who_is_meant_and_where_it_leads(
    monkeypatch: pytest.MonkeyPatch, hosts: tuple[str, ...] | None, host: str, port: int, resolved: str, reached: bool
) -> None:
    def resolve(name: str, port: int, **more: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (resolved, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    try:
        assert await NetworkPolicy(hosts).address_of(host, port) == resolved
        assert reached
    except AccessDenied:
        assert not reached


async def test_what_is_no_host_is_refused_before_anything_ran(harness: Harness) -> None:
    async with harness.working():
        for network in (["https://pypi.org"], ["a b"], [""], ["*"]):
            plan = {"network": network, "tasks": tasks({"id": "a", "run": "true"})}
            assert await failure_type(await harness.start(plan)) == "InvalidPlan"
