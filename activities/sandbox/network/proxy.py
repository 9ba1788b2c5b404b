"""HTTP proxy on the loopback of a sandbox, served by the worker: the only way out of it."""

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
_HOP_HEADERS = ("proxy-", "connection:", "keep-alive:")
_LOCAL = "localhost,127.0.0.1,::1"


class Network:
    """Network of one attempt; `on_denied` is called with a message for each connection that is denied."""

    def __init__(self, namespace: Namespace, policy: NetworkPolicy, on_denied: Callable[[str], None]) -> None:
        self.namespace = namespace
        self.listener: socket.socket = namespace.listeners[1]
        """Second listening socket, for another service of the worker."""
        self._policy = policy
        self._on_denied = on_denied
        self._port = namespace.listeners[0].getsockname()[1]
        self._open: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def around(cls, policy: NetworkPolicy, on_denied: Callable[[str], None]) -> AsyncIterator[Network]:
        """A network for the block. Raises `OSError` where this machine has no network namespaces."""
        creating = Namespace.create(2)
        network = cls(await in_thread(creating.__enter__), policy, on_denied)
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
            creating.__exit__(None, None, None)

    def variables(self) -> dict[str, str]:
        """Environment variables by which programs find the proxy."""
        address = f"http://127.0.0.1:{self._port}"
        names = ("HTTP_PROXY", "HTTPS_PROXY")
        proxies = {each: address for name in names for each in (name, name.lower())}
        # Connections to loopback stay in the sandbox, unless the plan names this machine.
        local = "" if self._policy.includes_loopback else _LOCAL
        return {**proxies, "NO_PROXY": local, "no_proxy": local, "NODE_USE_ENV_PROXY": "1"}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            if len(self._open) > _MAX_CONNECTIONS:
                # All agents share the file descriptors of this worker.
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
                address = await self._policy.address_of(url.hostname, port)
                from_host, to_host = await asyncio.open_connection(address, port)
        except AccessDenied as denied:
            self._on_denied(str(denied))
            return await _answer(writer, "403 Forbidden", str(denied))
        except (OSError, TimeoutError) as error:
            return await _answer(writer, "502 Bad Gateway", f"{url.hostname}: {error or 'no response'}")
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            path = url._replace(scheme="", netloc="").geturl() or "/"
            kept = [each for each in rest.split("\r\n") if each and not each.lower().startswith(_HOP_HEADERS)]
            lines = [f"{method} {path} {version}", *kept, "Connection: close"]
            to_host.write("".join(f"{each}\r\n" for each in [*lines, ""]).encode("latin-1"))
        try:
            await asyncio.gather(_pump(reader, to_host), _pump(from_host, writer))
        finally:
            to_host.close()


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
