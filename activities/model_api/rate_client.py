"""The worker's side of the rate limiter: calls wait here, and one loop asks the limiter workflow for all of them."""

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

from activities.system.server_time import server_time
from epw.core.account_limiter import Lease, LeaseRequest, Limits

_MAX_WAITING = 200
_AGAIN_SECONDS = 0.5
_log = logging.getLogger(__name__)

Ask = Callable[[LeaseRequest], Awaitable[Lease]]


class AccountBlocked(Exception):
    """A usage limit allows no call before `until` (epoch seconds)."""

    def __init__(self, until: float, message: str) -> None:
        self.until = until
        super().__init__(message)


class AccountClosed(Exception):
    """The account's credit is exhausted: this execution makes no further call."""


class Gate(Protocol):
    """The account's limits, as the calls of one attempt see them."""

    async def enter(self, tokens: int) -> None:
        """Wait for a slot; raises `AccountBlocked` or `AccountClosed`."""
        ...

    def succeeded(self, tokens: int) -> None:
        """Report an answer and its tokens."""
        ...

    def throttled(self, wait: float | None) -> None:
        """Report a 429; `wait`: seconds of its `retry-after`."""
        ...

    def block(self, until: float, message: str) -> None:
        """Report a usage limit that ends at `until` (epoch seconds)."""
        ...

    def close(self, message: str) -> None:
        """Report exhausted credit."""
        ...


@dataclass
class _Waiting:
    slot: asyncio.Future[None]
    tokens: int


@dataclass
class _Report:
    """Events since the last request to the limiter."""

    succeeded: int = 0
    throttled: int = 0
    retry_after: float | None = None
    tokens_beyond: int = 0
    blocked_until: float | None = None


@dataclass
class RateClient:
    """One API account in this worker; executions take turns, and the calls of one execution keep their order."""

    ask: Ask
    _queues: OrderedDict[str, deque[_Waiting]] = field(default_factory=OrderedDict)
    _limits: dict[str, Limits] = field(default_factory=dict)
    _report: _Report = field(default_factory=_Report)
    _was_throttled: asyncio.Event = field(default_factory=asyncio.Event)
    _free_until: float = 0.0
    _blocked: AccountBlocked | None = None
    _loop: asyncio.Task[None] | None = None
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
        self._report.succeeded += 1
        self._report.tokens_beyond += tokens_beyond

    def throttled(self, wait: float | None) -> None:
        """Report a 429; no call starts until the limiter has answered with a new rate."""
        self._report.throttled += 1
        if wait is not None:
            self._report.retry_after = max(wait, self._report.retry_after or 0.0)
        self._free_until = 0.0
        self._was_throttled.set()

    def block(self, until: float, message: str) -> None:
        """Report a usage limit; waiting calls and later ones raise `AccountBlocked`."""
        self._blocked = AccountBlocked(until, message)
        self._report.blocked_until = until
        for queue in self._queues.values():
            for waiting in queue:
                if not waiting.slot.done():
                    waiting.slot.set_exception(AccountBlocked(until, message))
        self._queues.clear()
        self._start()

    def _raise_if_blocked(self) -> None:
        if self._blocked is not None and self._blocked.until > server_time():
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
        if self._loop is None or self._loop.done():
            self._loop = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while self._queues or self._report.blocked_until is not None:
            # Before the request: a 429 that arrives while the limiter is asked belongs to the next report.
            self._was_throttled.clear()
            report, self._report = self._report, _Report()
            try:
                lease = await self.ask(self._request(report))
            except Exception as error:
                # The server is unreachable, or the limiter continues as new: report later.
                _log.debug("the limiter did not answer: %s", error)
                self._merge_back(report)
                await asyncio.sleep(_AGAIN_SECONDS)
                continue
            if lease.blocked_for_ms and self._blocked is None:
                self.block(server_time() + lease.blocked_for_ms / 1000, "the account's usage limit is reached")
                self._report.blocked_until = None
                continue
            if not self._was_throttled.is_set():
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
            if self._was_throttled.is_set():
                return
            self._release_one()
        # After a 429 the limiter is asked again at once.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, received + lease.again_ms / 1000 - time.monotonic())):
                await self._was_throttled.wait()

    def _release_one(self) -> None:
        """Give a slot to the next execution in turn."""
        while self._queues:
            execution, queue = next(iter(self._queues.items()))
            waiting = queue.popleft()
            self._queues.move_to_end(execution)
            if not queue:
                del self._queues[execution]
            if not waiting.slot.done():
                waiting.slot.set_result(None)
                return

    def _request(self, report: _Report) -> LeaseRequest:
        turns = [list(queue) for queue in self._queues.values()]
        ordered = [queue[n] for n in range(max(map(len, turns), default=0)) for queue in turns if n < len(queue)]
        return LeaseRequest(
            worker=self._name,
            waiting=[each.tokens for each in ordered[:_MAX_WAITING]],
            executions={name: self._limits[name] for name in self._queues},
            calls={name: len(queue) for name, queue in self._queues.items()},
            succeeded=report.succeeded,
            throttled=report.throttled,
            retry_after_ms=round(report.retry_after * 1000) if report.retry_after is not None else None,
            tokens_beyond=report.tokens_beyond,
            blocked_until_ms=round(report.blocked_until * 1000) if report.blocked_until is not None else None,
        )

    def _merge_back(self, report: _Report) -> None:
        now = self._report
        self._report = _Report(
            now.succeeded + report.succeeded,
            now.throttled + report.throttled,
            max(filter(None, (now.retry_after, report.retry_after)), default=None),
            now.tokens_beyond + report.tokens_beyond,
            now.blocked_until or report.blocked_until,
        )


class ExecutionGate:
    """The gate of one attempt; implements `Gate`."""

    def __init__(self, limiter: RateClient, execution: str, limits: Limits, closed: Path) -> None:
        """`closed`: file that exists once the account's credit is exhausted for this execution."""
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
