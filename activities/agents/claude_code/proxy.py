"""The Messages API as Claude Code sees it: on loopback, by a token of one attempt, within the execution's limits.

So the account's key is nowhere in its process or its shell, and its calls are counted, spaced and paid for like those
of every other agent.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx2
from aiohttp import web

from activities.model_api.answer import counted
from activities.model_api.api import TIMEOUT, Api, Rejected, rejection
from activities.model_api.budget_ledger import BudgetSpent
from activities.model_api.calls import Calls, Used
from activities.model_api.rate_client import AccountBlocked
from activities.system.async_lazy import AsyncLazy
from epw.core.errors import TaskFailed

_MAX_BYTES = 64 * 1024 * 1024
# Hop by hop, or ours to say.
_OWN_HEADERS = frozenset(
    ("host", "content-length", "transfer-encoding", "connection", "accept-encoding", "authorization", "x-api-key")
)


@dataclass
class ProxySession:
    """One attempt's way to the API; `used` is told of the token counts of each answer, by model."""

    calls: Calls
    marker: str
    used: Callable[[str, dict[str, int]], None]
    redacted: Callable[[str], str]
    """Takes out what no model may be told."""
    ended: asyncio.Future[Exception]
    """Why no further call can be made."""
    made: int = 0
    was_refused: bool = False
    """Whether the API said no to the last call, and that was passed on."""
    open: set[asyncio.Task[Any]] = field(default_factory=set)

    def end(self, because: Exception) -> None:
        if not self.ended.done():
            self.ended.set_result(because)


class Proxy:
    """One server a worker, made with the first line; it also listens in the network of each sandbox."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._lines: dict[str, ProxySession] = {}
        self._server = AsyncLazy(self._serve)
        self._upstream = httpx2.AsyncClient(timeout=TIMEOUT)

    @asynccontextmanager
    async def opened(self, line: ProxySession, listener: socket.socket | None) -> AsyncIterator[tuple[str, str]]:
        """Base URL and key for the attempt; calls that are open when the block ends are ended.

        `listener`: of a sandbox that has no other way to this process.
        """
        token, runner = secrets.token_hex(16), await self._server.get()
        port = (listener.getsockname() if listener is not None else runner.addresses[0])[1]
        site = web.SockSite(runner, listener.dup()) if listener is not None else None
        if site is not None:
            await site.start()
        self._lines[token] = line
        try:
            yield f"http://127.0.0.1:{port}/{token}", token
        finally:
            del self._lines[token]
            for task in list(line.open):
                task.cancel()
            if site is not None:
                await site.stop()

    async def _serve(self) -> web.AppRunner:
        app = web.Application(client_max_size=_MAX_BYTES)
        app.router.add_post("/{token}/v1/messages", self._message)
        app.router.add_post("/{token}/v1/messages/count_tokens", self._count)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    async def _message(self, request: web.Request) -> web.StreamResponse:
        line = self._line(request)
        try:
            body = json.loads(line.redacted((await request.read()).decode()))
            model, most = str(body["model"]), int(body["max_tokens"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return _refused("the body is no request for a message")
        price = line.calls.price(model)
        if price is None and line.calls.keeps_cost:
            return _refused(f"{model} has no known price, and the execution has a budget in dollars")
        if line.ended.done():
            return _refused(str(line.ended.result()))
        line.made += 1
        task = asyncio.current_task()
        assert task is not None
        line.open.add(task)

        counts: Used = {}

        async def send(output_tokens: int, used: Used) -> web.StreamResponse:
            nonlocal counts
            counts = used
            return await self._passed_on(request, {**body, "max_tokens": output_tokens}, used)

        try:
            # No token has less than a byte.
            size = len(json.dumps(body).encode())
            response = await line.calls.make(f"{line.marker}/{line.made}", model, size, most, send)
            line.was_refused = response.status != HTTPStatus.OK
        except (TaskFailed, AccountBlocked, BudgetSpent) as error:
            line.end(error)
            return _refused(str(error))
        finally:
            line.open.discard(task)
            if counts:
                line.used(model, counts)
        return response

    async def _count(self, request: web.Request) -> web.StreamResponse:
        """Counting costs nothing and has limits of its own."""
        line = self._line(request)
        try:
            return await self._passed_on(request, json.loads(line.redacted((await request.read()).decode())), {})
        except (Rejected, ValueError) as error:
            return _refused(str(error), 503)

    def _line(self, request: web.Request) -> ProxySession:
        line = self._lines.get(request.match_info["token"])
        if line is None:
            raise web.HTTPNotFound
        return line

    async def _passed_on(self, request: web.Request, body: dict[str, Any], used: Used) -> web.StreamResponse:
        """Send a request on and its answer back; raises `Rejected` while nothing of an answer has been sent."""
        client = self._api.client
        path = request.path.split("/", 2)[2]
        url = client.base_url.join(path).copy_with(query=request.query_string.encode())
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _OWN_HEADERS}
        response: web.StreamResponse | None = None
        try:
            async with self._upstream.stream(
                "POST", url, json=body, headers={**headers, **client.auth_headers}
            ) as answer:
                content_type = answer.headers.get("content-type", "application/json")
                if answer.status_code != HTTPStatus.OK:
                    return _rejected_or_passed(answer.status_code, answer.headers, await answer.aread())
                if not content_type.startswith("text/event-stream"):
                    return _whole(await answer.aread(), content_type, used)
                response = web.StreamResponse(headers={"content-type": content_type})
                await response.prepare(request)
                async for line in answer.aiter_lines():
                    _count(line, used)
                    await response.write(line.encode() + b"\n")
                await response.write_eof()
                return response
        except httpx2.HTTPError as error:
            if response is None:
                raise Rejected("passing", f"{type(error).__name__}: {error}"[:500]) from None
            # Half an answer: Claude Code sees it cut, and asks again.
            if request.transport is not None:
                request.transport.close()
            return response


def _rejected_or_passed(status: int, headers: httpx2.Headers, content: bytes) -> web.Response:
    """What Claude Code can act on (a request too long, a model that is none) is its to see; not what is ours to put
    right, a key that is none: that it would try again and again."""
    try:
        body = json.loads(content)
    except ValueError:
        body = None
    rejected = rejection(status, headers, body, content[:200].decode(errors="replace"))
    if rejected.kind != "final" or status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise rejected
    return web.Response(status=status, body=content, content_type="application/json")


def _whole(content: bytes, content_type: str, used: Used) -> web.Response:
    try:
        used |= counted(json.loads(content).get("usage") or {})
    except (ValueError, AttributeError):
        raise Rejected("passing", "an answer that is no JSON object") from None
    return web.Response(body=content, headers={"content-type": content_type})


def _count(line: str, used: Used) -> None:
    """Take over the token counts of a line of the stream; until they are told, no token has less than a byte."""
    if line.startswith("data:") and "content_block_delta" in line:
        used["output_tokens"] = used.get("output_tokens", 0) + len(line)
    if not line.startswith("data:") or '"usage"' not in line:
        return
    try:
        event = json.loads(line[5:])
        used |= counted(event.get("message", event).get("usage") or {})
    except (ValueError, AttributeError):
        return


def _refused(message: str, status: int = 400) -> web.Response:
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": message}}
    return web.json_response(error, status=status)
