"""MCP over HTTP: for this machine alone, with a token, a known Host and Origin, and bounded bodies."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from epw.mcp.tools import TOOLS
from tests.mcp.support import McpSite

CALL = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
ACCEPT = {"accept": "application/json, text/event-stream"}


@contextmanager
def serving(mcp: McpSite) -> Iterator[tuple[str, str]]:
    """Address and token of a server."""
    argv = mcp.argv("--http", "--port", "0")
    with subprocess.Popen(argv, env=mcp.cli.env, cwd=mcp.folder, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        address = process.stderr.readline().split()[1]
        try:
            yield address, (mcp.cli.home / "mcp-token").read_text()
        finally:
            process.terminate()
            process.communicate(timeout=30)


async def test_a_client_with_the_token_is_served(mcp: McpSite) -> None:
    with serving(mcp) as (address, token):
        assert address.startswith("http://127.0.0.1:")
        assert (mcp.cli.home / "mcp-token").stat().st_mode & 0o077 == 0
        headers = {"authorization": f"Bearer {token}"}
        async with (
            httpx2.AsyncClient(headers=headers) as http,
            Client(streamable_http_client(address, http_client=http)) as client,
        ):
            assert len((await client.list_tools()).tools) == len(TOOLS)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": "Basic TOKEN"}, 401),
        ({"authorization": "Bearer TOKEN", "host": "evil.example"}, 421),
        ({"authorization": "Bearer TOKEN", "origin": "https://evil.example"}, 403),
    ],
)
async def test_other_requests_are_refused(mcp: McpSite, headers: dict[str, str], status: int) -> None:
    with serving(mcp) as (address, token):
        sent = {name: value.replace("TOKEN", token) for name, value in headers.items()}
        async with httpx2.AsyncClient() as http:
            answer = await http.post(address, json=CALL, headers={**ACCEPT, **sent})
        assert answer.status_code == status
        assert token not in answer.text


async def test_a_body_that_is_too_large_is_refused(mcp: McpSite) -> None:
    with serving(mcp) as (address, token):
        headers = {**ACCEPT, "authorization": f"Bearer {token}", "content-type": "application/json"}
        async with httpx2.AsyncClient() as http:
            answer = await http.post(address, content=b" " * 17_000_000, headers=headers)
        assert answer.status_code == 413
