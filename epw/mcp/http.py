"""MCP over HTTP, only on request and only for this machine: loopback, a token, checked Host and Origin."""

from __future__ import annotations

import hmac
import os
import secrets
import stat
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvicorn

from activities.system.atomic_write import write_atomically
from epw.core.errors import Unavailable
from epw.mcp.server import McpServer
from epw.service.loopback import listen

_MAX_BODY = 16_000_000
_MIN_TOKEN = 20


async def serve_http(server: McpServer, port: int, token_file: Path) -> None:
    """Serve until the process is told to stop; says address and token file on standard error."""
    app = _WithToken(
        server.sdk.streamable_http_app(host="127.0.0.1", max_request_body_size=_MAX_BODY), _token(token_file)
    )
    listener = listen(port)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
    print(
        f"MCP: {address} · header `Authorization: Bearer TOKEN`, TOKEN is in {token_file}", file=sys.stderr, flush=True
    )
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, limit_concurrency=500)
    await uvicorn.Server(config).serve(sockets=[listener])


def _token(file: Path) -> str:
    """The token of this state directory, made once, readable by its owner alone; raises `Unavailable` for another."""
    if not os.path.lexists(file):
        write_atomically(file, secrets.token_urlsafe(32).encode())
        file.chmod(0o600)
    status = file.lstat()
    is_private = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077
    token = file.read_text().strip() if is_private else ""
    if len(token) < _MIN_TOKEN:
        raise Unavailable(f"{file} is no private file with a token; remove it, and a new one is made")
    return token


class _WithToken:
    """ASGI application that answers only requests with the token."""

    def __init__(self, app: Callable[..., Awaitable[None]], token: str) -> None:
        self._app = app
        self._expected = token.encode()

    async def __call__(self, scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        if scope["type"] == "http":
            scheme, _, given = dict(scope["headers"]).get(b"authorization", b"").partition(b" ")
            if scheme.lower() != b"bearer" or not hmac.compare_digest(given.strip(), self._expected):
                headers = [(b"www-authenticate", b"Bearer"), (b"content-type", b"text/plain")]
                await send({"type": "http.response.start", "status": 401, "headers": headers})
                await send({"type": "http.response.body", "body": b"a token is needed: see docs/mcp.md, Over HTTP\n"})
                return
        await self._app(scope, receive, send)
