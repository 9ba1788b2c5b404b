"""MCP over standard input and output: standard output is JSON-RPC and nothing else, memory stays bounded."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any, cast

from mcp import types
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.stdio import stdio_server

from epw.core.unique_keys import unique_keys
from epw.mcp.server import McpServer

_MAX_LINE = 16_000_000
_MAX_IN_FLIGHT = 200
_CHUNK = 1 << 16


async def serve_stdio(server: McpServer) -> None:
    """Serve one client until it closes our standard input."""
    wire_in, wire_out = _claimed(0, os.O_RDONLY), _claimed(1, os.O_WRONLY)
    limit = _InFlight()
    server.sdk.middleware.append(limit)
    writer = _Writer(wire_out)
    lines = _Messages(_Lines(wire_in), limit, writer)
    streams = stdio_server(cast(Any, lines), cast(Any, writer))
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
    """Lines of a descriptor; of one that is too long, None: it is dropped as it comes in."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rest = bytearray()

    async def next(self) -> bytes | None:
        """The next line; raises `StopAsyncIteration` at the end."""
        is_too_long, searched = False, 0
        while (end := self._rest.find(b"\n", searched)) < 0:
            searched = len(self._rest)
            if searched > _MAX_LINE:
                is_too_long, searched = True, 0
                self._rest.clear()
            chunk = await asyncio.to_thread(os.read, self._descriptor, _CHUNK)
            if not chunk:
                raise StopAsyncIteration
            self._rest += chunk
        line = bytes(self._rest[:end])
        del self._rest[: end + 1]
        return None if is_too_long else line


class _Messages:
    """Lines that are JSON-RPC messages; others are answered here, since the SDK passes over them in silence."""

    def __init__(self, lines: _Lines, limit: _InFlight, writer: _Writer) -> None:
        self._lines = lines
        self._limit = limit
        self._writer = writer
        self._read = 0
        """Messages read so far."""

    def __aiter__(self) -> _Messages:
        return self

    async def __anext__(self) -> str:
        while True:
            await self._limit.room()
            # A client that sends much and does not read its answers is not read either.
            while self._read - self._writer.written >= _MAX_IN_FLIGHT and self._writer.is_busy:
                await self._writer.next_written()
            line = await self._lines.next()
            self._read += 1
            if line is None:
                await self._refuse(types.INVALID_REQUEST, f"a message may have {_MAX_LINE} bytes", None)
                continue
            if not line.strip():
                continue
            text = line.decode("utf-8", "replace")
            if (problem := _problem(text)) is None:
                return text
            await self._refuse(*problem)

    async def _refuse(self, code: int, message: str, identifier: Any) -> None:
        error = {"code": code, "message": message}
        await self._writer.write(json.dumps({"jsonrpc": "2.0", "id": identifier, "error": error}) + "\n")


def _problem(text: str) -> tuple[int, str, Any] | None:
    """Code, message and request id for a line that is no message; None for a message."""
    repeated = ""
    try:
        try:
            found = json.loads(text, object_pairs_hook=unique_keys)
        except json.JSONDecodeError:
            raise
        except ValueError as error:
            # What is asked about must be what runs. The plain reader says whose request it is.
            found, repeated = json.loads(text), str(error)[:200]
    except (ValueError, RecursionError) as error:
        why = "nested too deep" if isinstance(error, RecursionError) else str(error)
        return types.PARSE_ERROR, f"not JSON: {why}", None
    identifier = found.get("id") if isinstance(found, dict) else None
    is_known = isinstance(identifier, str | int) and not isinstance(identifier, bool)
    known = identifier if is_known else None
    if repeated:
        return types.INVALID_REQUEST, repeated, known
    if isinstance(found, dict) and "id" in found and not is_known:
        return types.INVALID_REQUEST, "an id is a text or a whole number", None
    try:
        types.jsonrpc_message_adapter.validate_json(text, by_name=False)
    except ValueError:
        return types.INVALID_REQUEST, "no JSON-RPC 2.0 message, nested too deep, or no valid Unicode", known
    return None


class _Writer:
    """Text written to a descriptor; a client that does not read holds up its own answers alone."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = asyncio.Lock()
        self.written = 0
        """Messages written so far."""

    @property
    def is_busy(self) -> bool:
        """Whether something is being written, for however long."""
        return self._lock.locked()

    async def next_written(self) -> None:
        """Wait until what is being written is written."""
        async with self._lock:
            pass

    async def write(self, text: str) -> None:
        async with self._lock:
            await asyncio.to_thread(self._write, text.encode("utf-8", "replace"))
            self.written += 1

    async def flush(self) -> None:
        """Nothing is buffered."""

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
