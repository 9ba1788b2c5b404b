"""The worker's side of the rate limit: agents wait here, and one conversation a worker asks the limiter for them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
import uuid
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from epw.core.account_limiter import Lease, LeaseRequest, Limits

_MAX_WAITING = 200
_AGAIN_SECONDS = 0.5
_log = logging.getLogger(__name__)

Ask = Callable[[LeaseRequest], Awaitable[Lease]]


class AccountBlocked(Exception):
    """A usage limit: no call before `until` (epoch seconds)."""

    def __init__(self, until: float, message: str) -> None:
        self.until = until
        super().__init__(message)


class AccountClosed(Exception):
    """Credit is exhausted: this execution makes no further call."""


class Gate(Protocol):
    """What stands between an agent and the API."""

    async def enter(self, tokens: int) -> None:
        """Wait for a slot; raises `AccountBlocked` or `AccountClosed`."""
        ...

    def succeeded(self, tokens_beyond: int) -> None: ...

    def throttled(self, wait: float | None) -> None: ...

    def block(self, until: float, message: str) -> None: ...

    def close(self, message: str) -> None: ...


@dataclass
class _Waiting:
    slot: asyncio.Future[None]
    tokens: int


@dataclass
class _News:
    """What the limiter is to be told with the next request."""

    succeeded: int = 0
    throttled: int = 0
    retry_after: float | None = None
    tokens_beyond: int = 0
    blocked_until: float | None = None


@dataclass
class RateClient:
    """One API account in this worker. Executions take turns; the calls of one go in order."""

    ask: Ask
    _queues: OrderedDict[str, deque[_Waiting]] = field(default_factory=OrderedDict)
    _limits: dict[str, Limits] = field(default_factory=dict)
    _news: _News = field(default_factory=_News)
    _refused: asyncio.Event = field(default_factory=asyncio.Event)
    _free_until: float = 0.0
    _blocked: AccountBlocked | None = None
    _pump: asyncio.Task[None] | None = None
    _name: str = field(default_factory=lambda: f"{os.getpid()}-{uuid.uuid4().hex[:8]}")

    async def enter(self, execution: str, limits: Limits, tokens: int) -> None:
        """Wait for a slot of the account; raises `AccountBlocked`."""
        self._raise_if_blocked()
        self._limits[execution] = limits
        if time.monotonic() < self._free_until and limits == Limits() and not self._queues:
            return
        waiting = _Waiting(asyncio.get_running_loop().create_future(), tokens)
        self._queues.setdefault(execution, deque()).append(waiting)
        self._start()
        try:
            await waiting.slot
        except asyncio.CancelledError:
            self._forget(execution, waiting)
            raise

    def succeeded(self, tokens_beyond: int) -> None:
        self._news.succeeded += 1
        self._news.tokens_beyond += tokens_beyond

    def throttled(self, wait: float | None) -> None:
        """A 429: nothing goes until the limiter has said how fast."""
        self._news.throttled += 1
        if wait is not None:
            self._news.retry_after = max(wait, self._news.retry_after or 0.0)
        self._free_until = 0.0
        self._refused.set()

    def block(self, until: float, message: str) -> None:
        """A usage limit: who waits is told, who comes is told."""
        self._blocked = AccountBlocked(until, message)
        self._news.blocked_until = until
        for queue in self._queues.values():
            for waiting in queue:
                if not waiting.slot.done():
                    waiting.slot.set_exception(AccountBlocked(until, message))
        self._queues.clear()
        self._start()

    def _raise_if_blocked(self) -> None:
        if self._blocked is not None and self._blocked.until > time.time():
            raise AccountBlocked(self._blocked.until, str(self._blocked))
        self._blocked = None

    def _forget(self, execution: str, waiting: _Waiting) -> None:
        queue = self._queues.get(execution)
        if queue is not None:
            with contextlib.suppress(ValueError):
                queue.remove(waiting)
            if not queue:
                del self._queues[execution]

    def _start(self) -> None:
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._pumping())

    async def _pumping(self) -> None:
        while self._queues or self._news.blocked_until is not None:
            # Before it is told: a refusal that comes while the limiter is asked is the next news, at once.
            self._refused.clear()
            news, self._news = self._news, _News()
            try:
                lease = await self.ask(self._request(news))
            except Exception as error:
                # The server is away, or the limiter changes runs: what was to be told is told later.
                _log.debug("the limiter did not answer: %s", error)
                self._put_back(news)
                await asyncio.sleep(_AGAIN_SECONDS)
                continue
            if lease.blocked_for_ms and self._blocked is None:
                self.block(time.time() + lease.blocked_for_ms / 1000, "the account's usage limit is reached")
                self._news.blocked_until = None
                continue
            if not self._refused.is_set():
                await self._release(lease)

    async def _release(self, lease: Lease) -> None:
        received = time.monotonic()
        if lease.free_for_ms:
            self._free_until = received + lease.free_for_ms / 1000
            while self._queues:
                self._release_one()
            return
        for slot in lease.slots:
            await asyncio.sleep(max(0.0, received + slot / 1000 - time.monotonic()))
            if self._refused.is_set():
                return
            self._release_one()
        # Of a refusal the limiter hears at once.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, received + lease.again_ms / 1000 - time.monotonic())):
                await self._refused.wait()

    def _release_one(self) -> None:
        """The next execution in turn has the slot."""
        while self._queues:
            execution, queue = next(iter(self._queues.items()))
            waiting = queue.popleft()
            self._queues.move_to_end(execution)
            if not queue:
                del self._queues[execution]
            if not waiting.slot.done():
                waiting.slot.set_result(None)
                return

    def _request(self, news: _News) -> LeaseRequest:
        turns = [list(queue) for queue in self._queues.values()]
        ordered = [queue[n] for n in range(max(map(len, turns), default=0)) for queue in turns if n < len(queue)]
        return LeaseRequest(
            worker=self._name,
            waiting=[each.tokens for each in ordered[:_MAX_WAITING]],
            executions={name: self._limits[name] for name in self._queues},
            succeeded=news.succeeded,
            throttled=news.throttled,
            retry_after_ms=round(news.retry_after * 1000) if news.retry_after is not None else None,
            tokens_beyond=news.tokens_beyond,
            blocked_until_ms=round(news.blocked_until * 1000) if news.blocked_until is not None else None,
        )

    def _put_back(self, news: _News) -> None:
        now = self._news
        self._news = _News(
            now.succeeded + news.succeeded,
            now.throttled + news.throttled,
            max(filter(None, (now.retry_after, news.retry_after)), default=None),
            now.tokens_beyond + news.tokens_beyond,
            now.blocked_until or news.blocked_until,
        )


class ExecutionGate:
    """The account's limiter as one agent of an execution sees it."""

    def __init__(self, limiter: RateClient, execution: str, limits: Limits, closed: Path) -> None:
        """`closed`: the file that says that the account's credit is exhausted, for this execution."""
        self._limiter = limiter
        self._execution = execution
        self._limits = limits
        self._closed = closed
        self._expected = 0

    async def enter(self, tokens: int) -> None:
        if self._closed.is_file():
            raise AccountClosed(self._closed.read_text())
        await self._limiter.enter(self._execution, self._limits, tokens)
        self._expected = tokens
        if self._closed.is_file():
            raise AccountClosed(self._closed.read_text())

    def succeeded(self, tokens: int) -> None:
        self._limiter.succeeded(tokens - self._expected)

    def throttled(self, wait: float | None) -> None:
        self._limiter.throttled(wait)

    def block(self, until: float, message: str) -> None:
        self._limiter.block(until, message)

    def close(self, message: str) -> None:
        self._closed.write_text(message)
