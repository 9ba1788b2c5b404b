"""Codec server: decrypts payloads for Temporal's Web UI and CLI, on this machine, for its owner alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from google.protobuf import json_format
from temporalio.api.common.v1 import Payloads

from activities.state.state_directory import StateDirectory
from epw.core.errors import EpwError
from epw.service.door import may_connect_from
from epw.service.loopback import listen
from epw.service.payload_encryption import EncryptedPayloads

_MAX_BODY = 16_000_000
_LOOPBACK = ("127.0.0.1", "localhost")
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def serve_codec(codec: EncryptedPayloads, state: StateDirectory, origin: str | None, port: int) -> None:
    """Serve until the process is told to stop; says its address on standard error.

    `origin`: of the Web UI whose pages may ask; None: no page may.
    """
    listener = listen(port)
    bound = listener.getsockname()[1]
    pages = f"for pages of {origin}" if origin else "for no page: give --origin, the address of the Web UI"
    print(f"codec server: http://127.0.0.1:{bound}, {pages} · Ctrl-C stops", file=sys.stderr, flush=True)
    app = _CodecServer(codec, state, origin, bound)
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, limit_concurrency=100)
    await uvicorn.Server(config).serve(sockets=[listener])


class _CodecServer:
    """ASGI application: `/encode` and `/decode` take and return payloads as Temporal's remote codecs do."""

    def __init__(self, codec: EncryptedPayloads, state: StateDirectory, origin: str | None, port: int) -> None:
        self._codec = codec
        self._state = state
        self._origin = origin
        self._hosts = {f"{name}:{port}".encode() for name in _LOOPBACK}

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        status, body = await self._answer(scope, receive)
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        if self._origin:
            headers += [
                (b"access-control-allow-origin", self._origin.encode()),
                (b"access-control-allow-methods", b"POST"),
                (b"access-control-allow-headers", b"content-type, x-namespace, authorization"),
                (b"vary", b"origin"),
            ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: dict[str, Any], receive: Receive) -> tuple[int, bytes]:
        headers = dict(scope["headers"])
        page = headers.get(b"origin")
        if headers.get(b"host") not in self._hosts or (page is not None and page.decode("latin-1") != self._origin):
            return 403, b'{"error": "only for the Web UI that --origin names"}'
        is_known = sys.platform != "linux" or may_connect_from(self._state, scope["client"], scope["server"])
        if not is_known:
            return 403, b'{"error": "only for processes of the owner, and for no agent"}'
        if scope["method"] == "OPTIONS":
            return 204, b""
        work = {"/encode": self._codec.encode, "/decode": self._codec.decode}.get(scope["path"])
        if work is None or scope["method"] != "POST":
            return 404, b'{"error": "POST /encode or /decode"}'
        try:
            asked = json_format.Parse(await _body(receive), Payloads())
            found = Payloads(payloads=await work(asked.payloads))
        except (ValueError, json_format.ParseError, EpwError) as error:
            return 400, json.dumps({"error": str(error)}).encode()
        return 200, json_format.MessageToJson(found).encode()


async def _body(receive: Receive) -> bytes:
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        part = message.get("body", b"")
        parts.append(part)
        size, more = size + len(part), message.get("more_body", False)
        if size > _MAX_BODY:
            raise ValueError(f"over {_MAX_BODY} bytes")
    return b"".join(parts)
