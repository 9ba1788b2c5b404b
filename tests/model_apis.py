"""Scripted model APIs that coding programs speak, beside the Messages API: OpenAI's Responses and Gemini's."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.http_server import served


@dataclass(frozen=True)
class Step:
    """One answer of the model: text, then calls of tools by name; or an error with its HTTP status."""

    text: str = ""
    calls: Sequence[tuple[str, dict[str, Any]]] = ()
    input_tokens: int = 100
    output_tokens: int = 20
    status: int = 200


Steps = Callable[[int, dict[str, Any]], Step]
"""The answer for a number of earlier answers in the conversation, and the request."""


@dataclass
class ModelApi:
    """A server on loopback that answers `POST /v1/responses` and Gemini's `streamGenerateContent` by a script."""

    steps: Steps
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[ModelApi]:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/responses", self._responses)
        app.router.add_post("/v1beta/models/{call}", self._gemini)
        async with served(app) as address:
            self.url = f"http://{address}"
            yield self

    async def _responses(self, request: web.Request) -> web.StreamResponse:
        body = await self._body(request)
        turn = sum(each.get("type") in ("function_call", "custom_tool_call") for each in body["input"])
        step, identifier = self.steps(turn, body), f"resp_{len(self.requests)}"
        if step.status != 200:
            return web.Response(text=step.text, status=step.status, content_type="application/json")
        items: list[dict[str, Any]] = []
        if step.text:
            content = [{"type": "output_text", "text": step.text}]
            items.append({"type": "message", "role": "assistant", "id": f"msg_{turn}", "content": content})
        for number, (name, arguments) in enumerate(step.calls):
            call = {"type": "function_call", "call_id": f"call_{turn}_{number}", "name": name}
            items.append({**call, "arguments": json.dumps(arguments)})
        usage = {
            "input_tokens": step.input_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": step.output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": step.input_tokens + step.output_tokens,
        }
        events: list[dict[str, Any]] = [
            {"type": "response.created", "response": {"id": identifier}},
            *({"type": "response.output_item.done", "item": item} for item in items),
            {"type": "response.completed", "response": {"id": identifier, "usage": usage}},
        ]
        return await _stream(request, [(each["type"], each) for each in events])

    async def _gemini(self, request: web.Request) -> web.StreamResponse:
        body = await self._body(request)
        turn = sum(each.get("role") == "model" for each in body["contents"])
        step = self.steps(turn, body)
        if step.status != 200:
            return web.Response(text=step.text, status=step.status, content_type="application/json")
        parts: list[dict[str, Any]] = [{"text": step.text}] if step.text else []
        parts += [{"functionCall": {"name": name, "args": arguments}} for name, arguments in step.calls]
        answer = {
            "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}],
            "usageMetadata": {
                "promptTokenCount": step.input_tokens,
                "candidatesTokenCount": step.output_tokens,
                "totalTokenCount": step.input_tokens + step.output_tokens,
            },
        }
        if "stream" not in request.match_info["call"]:
            return web.json_response(answer)
        return await _stream(request, [(None, answer)])

    async def _body(self, request: web.Request) -> dict[str, Any]:
        body: dict[str, Any] = await request.json()
        self.requests.append(body)
        self.headers.append(dict(request.headers))
        return body


async def _stream(request: web.Request, events: Sequence[tuple[str | None, dict[str, Any]]]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    for name, event in events:
        head = f"event: {name}\n" if name else ""
        await response.write(f"{head}data: {json.dumps(event)}\n\n".encode())
    await response.write_eof()
    return response
