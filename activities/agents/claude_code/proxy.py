"""Proxy of the Messages API for Claude Code: on loopback, with a token for each attempt.

The account's key never enters Claude Code's processes, and its calls go through the account's limiter and the
execution's budget like those of every other agent.
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

from activities.model_api.answer import Used, counted
from activities.model_api.api import TIMEOUT, Api, Rejected, may_have_arrived, rejection
from activities.model_api.budget_ledger import BudgetSpent
from activities.model_api.calls import Calls
from activities.model_api.rate_client import AccountBlocked
from activities.system.async_lazy import AsyncLazy
from epw.core.errors import TaskFailed

_MAX_BYTES = 64 * 1024 * 1024
# Hop-by-hop headers, and those that the proxy sets itself.
_OWN_HEADERS = frozenset(
    ("host", "content-length", "transfer-encoding", "connection", "accept-encoding", "authorization", "x-api-key")
)


@dataclass
class ProxySession:
    """One attempt's access to the API."""

    calls: Calls
    marker: str
    answered: Callable[[], None]
    """Called after each answer, whole or not."""
    redact: Callable[[str], str]
    """Removes secrets from a request."""
    ended: asyncio.Future[Exception]
    """The reason why no further call can be made."""
    made: int = 0
    """Number of calls."""
    was_rejected: bool = False
    """Whether the API rejected the last call, and Claude Code has seen that."""
    open: set[asyncio.Task[Any]] = field(default_factory=set)
    """Calls in flight."""

    def end(self, reason: Exception) -> None:
        """Allow no further call; the first reason stays."""
        if not self.ended.done():
            self.ended.set_result(reason)


class Proxy:
    """One server of a worker, started by the first session; it also listens in the network of each sandbox."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._sessions: dict[str, ProxySession] = {}
        self._server = AsyncLazy(self._serve)
        self._upstream = httpx2.AsyncClient(timeout=TIMEOUT)

    @asynccontextmanager
    async def opened(self, session: ProxySession, listener: socket.socket | None) -> AsyncIterator[tuple[str, str]]:
        """Base URL and key for the attempt; calls that are in flight when the block ends are cancelled.

        `listener`: a socket in the network of a sandbox that cannot reach this process otherwise.
        """
        token, runner = secrets.token_hex(16), await self._server.get()
        port = (listener.getsockname() if listener is not None else runner.addresses[0])[1]
        site = web.SockSite(runner, listener.dup()) if listener is not None else None
        if site is not None:
            await site.start()
        self._sessions[token] = session
        try:
            yield f"http://127.0.0.1:{port}/{token}", token
        finally:
            del self._sessions[token]
            for task in list(session.open):
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
        session = self._session(request)
        try:
            body = json.loads(session.redact((await request.read()).decode()))
            model, max_tokens = str(body["model"]), int(body["max_tokens"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return _error_response("the body is no request for a message")
        price = session.calls.price(model)
        if price is None and session.calls.keeps_cost:
            return _error_response(f"{model} has no known price, and the execution has a budget in dollars")
        if session.ended.done():
            return _error_response(str(session.ended.result()))
        session.made += 1
        task = asyncio.current_task()
        assert task is not None
        session.open.add(task)

        async def send(output_tokens: int, used: Used) -> web.StreamResponse:
            return await self._forward(request, {**body, "max_tokens": output_tokens}, used)

        try:
            # An upper bound: a token has at least one byte.
            size = len(json.dumps(body).encode())
            response = await session.calls.make(f"{session.marker}/{session.made}", model, size, max_tokens, send)
            session.was_rejected = response.status != HTTPStatus.OK
        except (TaskFailed, AccountBlocked, BudgetSpent) as error:
            session.end(error)
            return _error_response(str(error))
        finally:
            session.open.discard(task)
            session.answered()
        return response

    async def _count(self, request: web.Request) -> web.StreamResponse:
        """Forward a request to count tokens: it costs nothing and has limits of its own."""
        session = self._session(request)
        try:
            return await self._forward(request, json.loads(session.redact((await request.read()).decode())), Used())
        except (Rejected, ValueError) as error:
            return _error_response(str(error), 503)

    def _session(self, request: web.Request) -> ProxySession:
        session = self._sessions.get(request.match_info["token"])
        if session is None:
            raise web.HTTPNotFound
        return session

    async def _forward(self, request: web.Request, body: dict[str, Any], used: Used) -> web.StreamResponse:
        """Forward a request and stream its answer back; raises `Rejected` unless part of an answer has been sent."""
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
                    # Refused: it costs nothing.
                    used.is_whole = True
                    return _pass_on_or_raise(answer.status_code, answer.headers, await answer.aread())
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
                message = f"{type(error).__name__}: {error}"[:500]
                raise Rejected("passing", message, may_cost=may_have_arrived(error)) from None
            # Part of an answer has been sent: Claude Code sees it cut, and calls again.
            if request.transport is not None:
                request.transport.close()
            return response


def _pass_on_or_raise(status: int, headers: httpx2.Headers, content: bytes) -> web.Response:
    """Pass on an error that Claude Code can act on (a request too long, an unknown model); raise the others.

    An invalid key is not passed on: Claude Code would retry it again and again.
    """
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
        used.counts |= counted(json.loads(content).get("usage") or {})
    except (ValueError, AttributeError):
        raise Rejected("passing", "an answer that is not a JSON object", may_cost=True) from None
    used.is_whole = True
    return web.Response(body=content, headers={"content-type": content_type})


def _count(line: str, used: Used) -> None:
    """Take over the token counts of a line of the stream."""
    if not line.startswith("data:") or '"usage"' not in line:
        return
    try:
        event = json.loads(line[5:])
        used.counts |= counted(event.get("message", event).get("usage") or {})
        used.is_whole = used.is_whole or event.get("type") == "message_delta"
    except (ValueError, AttributeError):
        return


def _error_response(message: str, status: int = 400) -> web.Response:
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": message}}
    return web.json_response(error, status=status)
