"""MCP over HTTP, only on request and only for this machine: loopback, a token, checked Host and Origin."""

from __future__ import annotations

import hmac
import secrets
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvicorn

from activities.system.atomic_write import write_atomically
from epw.mcp.server import McpServer

_MAX_BODY = 16_000_000


async def serve_http(server: McpServer, port: int, token_file: Path) -> None:
    """Serve until the process is told to stop; says address and token file on standard error."""
    app = _WithToken(
        server.sdk.streamable_http_app(host="127.0.0.1", max_request_body_size=_MAX_BODY), _token(token_file)
    )
    listener = socket.create_server(("127.0.0.1", port))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
    print(
        f"MCP: {address} · header `Authorization: Bearer TOKEN`, TOKEN is in {token_file}", file=sys.stderr, flush=True
    )
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
    await uvicorn.Server(config).serve(sockets=[listener])


def _token(file: Path) -> str:
    """The token of this state directory, made once, readable by its owner alone."""
    if not file.is_file():
        write_atomically(file, secrets.token_urlsafe(32).encode())
        file.chmod(0o600)
    return file.read_text().strip()


class _WithToken:
    """ASGI application that answers only requests with the token."""

    def __init__(self, app: Callable[..., Awaitable[None]], token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        if scope["type"] == "http":
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(given, self._expected):
                headers = [(b"www-authenticate", b"Bearer"), (b"content-type", b"text/plain")]
                await send({"type": "http.response.start", "status": 401, "headers": headers})
                await send({"type": "http.response.body", "body": b"a token is needed: see `epw mcp --help`\n"})
                return
        await self._app(scope, receive, send)
