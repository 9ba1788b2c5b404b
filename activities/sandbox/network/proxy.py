"""The way out of a sandbox: an HTTP proxy on its loopback, served by the worker."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from activities.sandbox.network.namespace import Namespace
from activities.sandbox.network.policy import AccessDenied, NetworkPolicy
from activities.system.concurrency import in_thread

_MAX_HEAD_BYTES = 64 * 1024
_HEAD_SECONDS = 60
_CONNECT_SECONDS = 30
_CHUNK = 64 * 1024
_MAX_CONNECTIONS = 128
_BETWEEN = ("proxy-", "connection:", "keep-alive:")
_LOCAL = "localhost,127.0.0.1,::1"


class Network:
    """One attempt's; what is refused is told to `refused` in words."""

    def __init__(self, namespace: Namespace, policy: NetworkPolicy, refused: Callable[[str], None]) -> None:
        self.namespace = namespace
        self.listener: socket.socket = namespace.listeners[1]
        """For another service of the worker, that the sandbox shall see."""
        self._reach = policy
        self._refused = refused
        self._port = namespace.listeners[0].getsockname()[1]
        self._open: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def around(cls, policy: NetworkPolicy, refused: Callable[[str], None]) -> AsyncIterator[Network]:
        """One for the block. Raises `OSError` where this machine has no network namespaces."""
        making = Namespace.made(2)
        network = cls(await in_thread(making.__enter__), policy, refused)
        try:
            server = await asyncio.start_server(
                network._serve, sock=network.namespace.listeners[0].dup(), limit=_MAX_HEAD_BYTES
            )
            try:
                yield network
            finally:
                server.close()
                for each in list(network._open):
                    each.cancel()
        finally:
            making.__exit__(None, None, None)

    def variables(self) -> dict[str, str]:
        """What tells programs of it."""
        address = f"http://127.0.0.1:{self._port}"
        names = ("HTTP_PROXY", "HTTPS_PROXY")
        proxies = {each: address for name in names for each in (name, name.lower())}
        # The sandbox's own loopback, unless that of this machine is meant.
        local = "" if self._reach.includes_loopback else _LOCAL
        return {**proxies, "NO_PROXY": local, "no_proxy": local, "NODE_USE_ENV_PROXY": "1"}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            if len(self._open) > _MAX_CONNECTIONS:
                # File descriptors are this worker's, and those of all its agents.
                await _answer(writer, "503 Service Unavailable", f"more than {_MAX_CONNECTIONS} connections at once")
            else:
                await self._handle(reader, writer)
        except (OSError, TimeoutError, EOFError, asyncio.LimitOverrunError, ValueError):
            pass
        finally:
            self._open.discard(task)
            with contextlib.suppress(OSError):
                writer.close()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(_HEAD_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
        line, _, rest = head.decode("latin-1").partition("\r\n")
        method, target, version = line.split(" ")
        url = urlsplit(f"//{target}" if method == "CONNECT" else target)
        if not url.hostname or (method != "CONNECT" and url.scheme != "http"):
            return await _answer(writer, "400 Bad Request", f"{line[:200]}: no request for a proxy")
        port = url.port or 80
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                address = await self._reach.address_of(url.hostname, port)
                there = await asyncio.open_connection(address, port)
        except AccessDenied as refused:
            self._refused(str(refused))
            return await _answer(writer, "403 Forbidden", str(refused))
        except (OSError, TimeoutError) as error:
            return await _answer(writer, "502 Bad Gateway", f"{url.hostname}: {error or 'no answer'}")
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            path = url._replace(scheme="", netloc="").geturl() or "/"
            kept = [each for each in rest.split("\r\n") if each and not each.lower().startswith(_BETWEEN)]
            lines = [f"{method} {path} {version}", *kept, "Connection: close"]
            there[1].write("".join(f"{each}\r\n" for each in [*lines, ""]).encode("latin-1"))
        try:
            await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))
        finally:
            there[1].close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(_CHUNK):
        sink.write(data)
        await sink.drain()
    if sink.can_write_eof():
        sink.write_eof()


async def _answer(writer: asyncio.StreamWriter, status: str, text: str) -> None:
    body = f"{text}\n".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
