"""MCP over standard input and output: standard output is JSON-RPC and nothing else, memory stays bounded."""

from __future__ import annotations

import asyncio
import os
from typing import Any, cast

import anyio
from anyio.to_thread import run_sync
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.stdio import stdio_server

from epw.mcp.server import McpServer

_MAX_LINE = 16_000_000
_MAX_IN_FLIGHT = 200
_CHUNK = 1 << 16
_TOO_LONG = f'"a message may have {_MAX_LINE} bytes"'
"""JSON, but no JSON-RPC message: the client is told of an invalid request."""


async def serve_stdio(server: McpServer) -> None:
    """Serve one client until it closes our standard input."""
    wire_in, wire_out = _claimed(0, os.O_RDONLY), _claimed(1, os.O_WRONLY)
    limit = _InFlight()
    server.sdk.middleware.append(limit)
    lines, writer = _Lines(wire_in, limit), _Writer(wire_out)
    streams = stdio_server(cast(anyio.AsyncFile[str], lines), cast(anyio.AsyncFile[str], writer))
    async with streams as (read, write):
        await server.sdk.run(read, write, server.sdk.create_initialization_options())


def _claimed(descriptor: int, flags: int) -> int:
    """A copy of a standard stream, which itself then is the null device or standard error.

    Whatever else in this process, or in its children, reads or prints there cannot disturb the protocol.
    """
    copy = os.dup(descriptor)
    os.set_inheritable(copy, False)
    if flags == os.O_WRONLY:
        os.dup2(2, descriptor)
    else:
        null = os.open(os.devnull, flags)
        os.dup2(null, descriptor)
        os.close(null)
    return copy


class _InFlight:
    """Middleware that counts requests: from some number on no further message is read."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = asyncio.Condition()

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        if ctx.request_id is None:
            return await call_next(ctx)
        self._count += 1
        try:
            return await call_next(ctx)
        finally:
            self._count -= 1
            async with self._changed:
                self._changed.notify_all()

    async def room(self) -> None:
        """Wait until another request may come."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._count < _MAX_IN_FLIGHT)


class _Lines:
    """Lines of a descriptor; one that is too long is dropped as it comes in."""

    def __init__(self, descriptor: int, limit: _InFlight) -> None:
        self._descriptor = descriptor
        self._limit = limit
        self._rest = bytearray()

    def __aiter__(self) -> _Lines:
        return self

    async def __anext__(self) -> str:
        await self._limit.room()
        is_too_long, searched = False, 0
        while (end := self._rest.find(b"\n", searched)) < 0:
            searched = len(self._rest)
            if searched > _MAX_LINE:
                is_too_long, searched = True, 0
                self._rest.clear()
            chunk = await run_sync(os.read, self._descriptor, _CHUNK, abandon_on_cancel=True)
            if not chunk:
                raise StopAsyncIteration
            self._rest += chunk
        line = self._rest[:end].decode("utf-8", "replace")
        del self._rest[: end + 1]
        return _TOO_LONG if is_too_long else line


class _Writer:
    """Text written to a descriptor; a client that does not read holds up its own answers alone."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    async def write(self, text: str) -> None:
        await run_sync(self._write, text.encode("utf-8", "replace"), abandon_on_cancel=True)

    async def flush(self) -> None:
        """Nothing is buffered."""

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
