"""A scripted Messages API: real HTTP and server-sent events, answers by script, faults on demand."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.http_server import served

KEY = "sk-ant-canary-0123456789abcdef"
_TASK = re.compile(r"^Task: (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Turn:
    """Turn of the model: text, then calls of tools."""

    text: str = ""
    calls: Sequence[tuple[str, Any]] = ()
    stop: str | None = None
    input_tokens: int = 100
    output_tokens: int = 20
    seconds: float = 0
    """Seconds from the request to the first event."""
    raw_input: str | None = None
    """The JSON text of the last call, as it is sent."""
    cut_after: int | None = None
    """The connection ends after so many events."""
    error_event: dict[str, Any] | None = None
    """Sent in the middle of the stream."""

    def events(self, identifier: str, model: str) -> list[dict[str, Any]]:
        usage = {"input_tokens": self.input_tokens, "output_tokens": 1}
        message: dict[str, Any] = {
            "id": identifier,
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
        }
        message |= {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
        found: list[dict[str, Any]] = [{"type": "message_start", "message": message}]
        blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
        if self.text:
            blocks.append(({"type": "text", "text": ""}, [{"type": "text_delta", "text": self.text}]))
        for number, (name, arguments) in enumerate(self.calls):
            text = json.dumps(arguments)
            if self.raw_input is not None and number == len(self.calls) - 1:
                text = self.raw_input
            halves = [text[: len(text) // 2], text[len(text) // 2 :]]
            start = {"type": "tool_use", "id": f"{identifier}_{number}", "name": name, "input": {}}
            blocks.append((start, [{"type": "input_json_delta", "partial_json": half} for half in halves]))
        for index, (start, deltas) in enumerate(blocks):
            found.append({"type": "content_block_start", "index": index, "content_block": start})
            found += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
            found.append({"type": "content_block_stop", "index": index})
        stop = self.stop or ("tool_use" if self.calls else "end_turn")
        delta = {"stop_reason": stop, "stop_sequence": None}
        found.append({"type": "message_delta", "delta": delta, "usage": {"output_tokens": self.output_tokens}})
        return [*found, {"type": "message_stop"}]


@dataclass(frozen=True)
class Fault:
    """An answer that is none."""

    status: int
    kind: str = "api_error"
    message: str = "scripted fault"
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None


@dataclass(frozen=True)
class Call:
    """A request as the server saw it."""

    task: str
    turn: int
    """Number of answers of the model in the conversation so far."""
    at: float
    request: dict[str, Any]
    headers: dict[str, str]
    status: int
    whole: bool = True
    """Whether the answer was sent to its end."""
    usage: tuple[int, int] = (0, 0)


Script = Callable[[str, int, dict[str, Any]], Turn | Fault]


class MessagesApi:
    """`script(task, turn, request)` answers; `quota` (requests a second) is enforced before it is asked."""

    def __init__(self, script: Script, *, quota: float | None = None, retry_after: bool = True) -> None:
        self.script = script
        self.calls: list[Call] = []
        self.counted: list[dict[str, Any]] = []
        """Requests whose tokens were asked for."""
        self.quota, self.retry_after = quota, retry_after
        self.url = ""
        self._tokens, self._filled = quota or 0, time.monotonic()
        self.arrived = asyncio.Event()

    def served(self) -> Counter[tuple[str, int]]:
        """Count of whole answers, by task and turn."""
        return Counter((call.task, call.turn) for call in self.calls if call.status == 200 and call.whole)

    def tokens(self) -> tuple[int, int]:
        """Input and output tokens of all whole answers."""
        used = [call.usage for call in self.calls if call.status == 200 and call.whole]
        return sum(each[0] for each in used), sum(each[1] for each in used)

    @property
    def environment(self) -> dict[str, str]:
        return {"ANTHROPIC_BASE_URL": self.url, "ANTHROPIC_API_KEY": KEY}

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[MessagesApi]:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/messages", self._answer)
        app.router.add_post("/v1/messages/count_tokens", self._count)
        async with served(app) as address:
            self.url = f"http://{address}"
            yield self

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        task, turn = _asked(body)
        now = time.monotonic()
        over = self._over_quota(now)
        answer = over or self.script(task, turn, body)
        self.arrived.set()

        def note(status: int, *, whole: bool = True, usage: tuple[int, int] = (0, 0)) -> None:
            self.calls.append(Call(task, turn, now, body, dict(request.headers), status, whole, usage))

        if isinstance(answer, Fault):
            note(answer.status)
            error = {"type": "error", "error": {"type": answer.kind, "message": answer.message}}
            text = json.dumps(error) if answer.body is None else answer.body
            return web.Response(status=answer.status, headers=answer.headers, text=text)
        await asyncio.sleep(answer.seconds)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        whole = False
        try:
            await response.prepare(request)
            events = answer.events(f"msg_{len(self.calls)}_{turn}", body["model"])
            if answer.error_event is not None:
                events.insert(len(events) // 2, answer.error_event)
            for number, event in enumerate(events):
                if number == answer.cut_after:
                    assert request.transport is not None
                    request.transport.close()
                    return response
                await response.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
            await response.write_eof()
            whole = answer.error_event is None
        except ConnectionError:
            pass
        finally:
            note(200, whole=whole, usage=(answer.input_tokens, answer.output_tokens))
        return response

    async def _count(self, request: web.Request) -> web.Response:
        self.counted.append(await request.json())
        return web.json_response({"input_tokens": 1})

    def _over_quota(self, now: float) -> Fault | None:
        """A token bucket that holds one second's worth."""
        if self.quota is None:
            return None
        self._tokens = min(self.quota, self._tokens + (now - self._filled) * self.quota)
        self._filled = now
        if self._tokens >= 1:
            self._tokens -= 1
            return None
        headers = {"retry-after": "1"} if self.retry_after else {}
        return Fault(429, "rate_limit_error", "too many requests", headers)


def _asked(body: dict[str, Any]) -> tuple[str, int]:
    """Whose conversation it is, and how many answers it holds."""
    first = body["messages"][0]["content"]
    text = first if isinstance(first, str) else "".join(block.get("text", "") for block in first)
    found = _TASK.search(text)
    turns = sum(message["role"] == "assistant" for message in body["messages"])
    return found[1] if found else "", turns


def by_task(scripts: dict[str, Sequence[Turn]]) -> Script:
    """Each task's turns in order; then it finishes."""

    def script(task: str, turn: int, request: dict[str, Any]) -> Turn:
        turns = scripts.get(task, ())
        return turns[turn] if turn < len(turns) else Turn(calls=[("finish", {"summary": f"{task} is done"})])

    return script
