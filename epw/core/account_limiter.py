"""Rate limiter of one API account: limits that plans give, and a rate that is learned from 429s. Times in ms.

Given limits are kept by GCRA, the generic cell rate algorithm (https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm):
one time stamp says when the next call may be made, each call moves it on by an interval.

An unknown limit is found by multiplicative increase and multiplicative decrease: a 429 lowers the rate of all callers
together, each second without one raises it, much while it is far from the rate of the last 429 and little near it.
Additive increase would let competing senders converge to fair shares (Chiu and Jain 1989,
https://doi.org/10.1016/0169-7552(89)90019-6); here one limiter gives each worker its share.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from epw.core.plan.parts import Message

_MINUTE_MS = 60_000
_HORIZON_MS = 1_000
"""Time ahead for which slots are given out; 429s less than this apart lower the rate once."""
_WORKER_MS = 5_000
"""Time after its last request for which a worker counts when slots are shared."""
_EXECUTION_MS = 10 * _MINUTE_MS
"""Time after its last call for which the limits of an execution hold."""
_FORGET_MS = 10 * _MINUTE_MS
"""Time after the last 429 at which the learned rate is forgotten."""
_WINDOW_MS = 5_000
"""The time over which calls that succeeded are counted."""
_DECREASE = 0.9
"""Factor of the rate after a 429."""
_SLOW_START_GROWTH = 1.5
_RECOVERY_GROWTH = 1.15
_PROBE_GROWTH = 1.02
"""Factors of the rate, each second: before the second 429 shows where the limit is, far from it, near it."""
_NEAR_CEILING = 0.9
"""The share of the rate of the last 429 from which growth is slow."""
_MIN_FIRST_RATE = 1.0
_MIN_RATE = 0.1
"""Calls a second that are always tried: after the first 429, and after any."""
_NO_RETRY_AFTER_MS = 500
"""The pause after a 429 that names none."""
_MIN_AGAIN_MS = 10


class Limits(Message):
    """Limits that an execution's plan sets for the account."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


class LeaseRequest(Message):
    """Request of a worker for slots for its waiting calls, and what became of the last ones."""

    worker: str
    waiting: list[int] = Field(default_factory=list)
    """The tokens that each waiting call may use, in order; only as many as could be made soon."""
    executions: dict[str, Limits] = Field(default_factory=dict)
    """The executions whose calls wait, by key."""
    calls: dict[str, int] = Field(default_factory=dict)
    """The number of calls of each execution that wait in this worker."""
    succeeded: int = 0
    throttled: int = 0
    retry_after_ms: int | None = None
    tokens_beyond: int = 0
    """Tokens that calls used beyond those in `waiting`; negative: they used fewer."""
    blocked_until_ms: int | None = None


class Lease(Message):
    """Times at which calls may be made: at `slots` (ms from now), or freely for `free_for_ms` where no limit is known.

    The worker asks again in `again_ms`. `blocked_for_ms`: a usage limit holds, so no call may be made.
    """

    slots: list[int] = Field(default_factory=list)
    free_for_ms: int = 0
    again_ms: int = _HORIZON_MS
    blocked_for_ms: int = 0


class AccountState(Message):
    """State of a limiter, handed from one workflow run to the next."""

    next_slot_ms: float = 0
    next_tokens_ms: float = 0
    paused_until_ms: float = 0
    blocked_until_ms: float = 0
    learned: float | None = None
    """Calls a second; None: no 429 has come yet."""
    ceiling: float | None = None
    """Calls a second at which the last 429 came; None: unknown."""
    changed_ms: float = 0
    decreased_ms: float = 0
    successes: list[tuple[float, int]] = Field(default_factory=list)
    executions: dict[str, tuple[float, Limits]] = Field(default_factory=dict)
    workers: dict[str, tuple[float, int]] = Field(default_factory=dict)
    """Time of each worker's last request, and its number of executions."""
    waiting: dict[str, dict[str, int]] = Field(default_factory=dict)
    """The calls that wait in each worker, by execution."""

    @classmethod
    def read(cls, document: Any) -> AccountState:
        """The state that an earlier run has left, from JSON."""
        # Not strict, because JSON has no tuples.
        return cls.model_validate(document, strict=False)


class AccountLimiter:
    """Limiter of one API account; `now` is the time in epoch milliseconds."""

    def __init__(self, state: AccountState | None = None) -> None:
        given = state or AccountState()
        self._next_slot, self._next_tokens = given.next_slot_ms, given.next_tokens_ms
        self._paused_until, self._blocked_until = given.paused_until_ms, given.blocked_until_ms
        self._learned, self._changed, self._decreased = given.learned, given.changed_ms, given.decreased_ms
        self._ceiling = given.ceiling
        self._successes = list(given.successes)
        self._executions, self._workers = dict(given.executions), dict(given.workers)
        self._waiting = dict(given.waiting)

    def state(self) -> AccountState:
        """State that the next run needs to go on."""
        return AccountState(
            next_slot_ms=self._next_slot,
            next_tokens_ms=self._next_tokens,
            paused_until_ms=self._paused_until,
            blocked_until_ms=self._blocked_until,
            learned=self._learned,
            ceiling=self._ceiling,
            changed_ms=self._changed,
            decreased_ms=self._decreased,
            successes=self._successes,
            executions=self._executions,
            workers=self._workers,
            waiting=self._waiting,
        )

    def is_blocked(self, now: float) -> bool:
        """Whether a usage limit holds; its limiter has to stay."""
        return self._blocked_until > now

    def lease(self, request: LeaseRequest, now: float) -> Lease:
        """Slots in the next second for the worker's share of calls."""
        self._note(request, now)
        if self._blocked_until > now:
            left = round(self._blocked_until - now)
            return Lease(blocked_for_ms=left, again_ms=left)
        interval, token_interval = self._interval(), self._token_interval()
        free = interval is None and token_interval is None and self._paused_until <= now
        if free:
            return Lease(free_for_ms=_HORIZON_MS)
        share = self._share(request, interval)
        slots: list[int] = []
        for tokens in request.waiting[:share]:
            at = max(now, self._paused_until, self._next_slot, self._next_tokens)
            if at - now > _HORIZON_MS:
                break
            slots.append(round(at - now))
            if interval is not None:
                self._next_slot = at + interval
            self._next_tokens = max(self._next_tokens, at) + tokens * (token_interval or 0)
        following = max(self._paused_until, self._next_slot, self._next_tokens) - now
        return Lease(slots=slots, again_ms=max(_MIN_AGAIN_MS, round(following - _HORIZON_MS / 2)))

    def _note(self, request: LeaseRequest, now: float) -> None:
        """Take over what the request says, and drop what is too old."""
        self._workers[request.worker] = (now, max(1, len(request.executions)))
        self._workers = {name: each for name, each in self._workers.items() if now - each[0] < _WORKER_MS}
        self._waiting[request.worker] = request.calls or dict.fromkeys(request.executions, 1)
        self._waiting = {name: each for name, each in self._waiting.items() if name in self._workers}
        self._executions |= {name: (now, limits) for name, limits in request.executions.items()}
        recent = {name: each for name, each in self._executions.items() if now - each[0] < _EXECUTION_MS}
        self._executions = recent
        if request.blocked_until_ms is not None:
            self._blocked_until = max(self._blocked_until, request.blocked_until_ms)
        if request.tokens_beyond and (interval := self._token_interval()) is not None:
            self._next_tokens = max(now, self._next_tokens) + request.tokens_beyond * interval
        if request.succeeded:
            self._successes.append((now, request.succeeded))
        self._successes = [each for each in self._successes if now - each[0] <= _WINDOW_MS]
        self._learn(request, now)

    def _learn(self, request: LeaseRequest, now: float) -> None:
        """Lower the learned rate after a 429, raise it for the time without one."""
        if request.throttled:
            wait = request.retry_after_ms if request.retry_after_ms is not None else _NO_RETRY_AFTER_MS
            self._paused_until = max(self._paused_until, now + wait)
            # Calls that were under way together are refused together: that counts once.
            if now - self._decreased > _HORIZON_MS:
                self._decrease(now)
        elif self._learned is not None:
            if now - self._decreased > _FORGET_MS:
                self._learned = self._ceiling = None
                return
            since = max(self._changed, min(self._paused_until, now))
            self._learned *= self._growth(self._learned) ** ((now - since) / 1000)
        self._changed = now

    def _decrease(self, now: float) -> None:
        seen, before = self._rate_seen(now), self._learned
        if before is None:
            # Too few calls have been seen to know the limit: start low, and grow quickly.
            self._learned = max(_MIN_FIRST_RATE, _DECREASE * seen)
        elif self._ceiling is None:
            self._learned = max(_MIN_RATE, _DECREASE * seen)
        else:
            self._learned = max(_MIN_RATE, _DECREASE * before)
        self._ceiling, self._decreased = before, now

    def _growth(self, rate: float) -> float:
        if self._ceiling is None:
            return _SLOW_START_GROWTH
        return _PROBE_GROWTH if rate >= _NEAR_CEILING * self._ceiling else _RECOVERY_GROWTH

    def _rate_seen(self, now: float) -> float:
        """Calls a second that went through, or the rate in force where that is lower."""
        oldest = self._successes[0][0] if self._successes else now
        # The calls of the oldest report were made before it came.
        counted = self._successes[1:] or self._successes
        seen = sum(count for _, count in counted) / max(1.0, (now - oldest) / 1000)
        return seen if self._learned is None else max(min(seen, self._learned), 0.5 * self._learned)

    def _interval(self) -> float | None:
        """Milliseconds between two calls; None: no limit is known."""
        given = [limits.requests_per_minute for _, limits in self._executions.values() if limits.requests_per_minute]
        slowest = _MINUTE_MS / min(given) if given else 0.0
        if self._learned is not None:
            slowest = max(slowest, 1000 / self._learned)
        return slowest or None

    def _token_interval(self) -> float | None:
        """Milliseconds that one token takes; None: no limit is given."""
        given = [limits.tokens_per_minute for _, limits in self._executions.values() if limits.tokens_per_minute]
        return _MINUTE_MS / min(given) if given else None

    def _share(self, request: LeaseRequest, interval: float | None) -> int:
        """Number of the next second's slots that the worker gets.

        Executions share alike, and each is served where its calls wait: agents of one execution wait equally long,
        however its workers have divided them.
        """
        slots = _HORIZON_MS / interval if interval else len(request.waiting)
        everyone = {name: self._calls_in(name) for name in self._workers}
        totals: dict[str, int] = {}
        for calls in everyone.values():
            for execution, count in calls.items():
                totals[execution] = totals.get(execution, 0) + count
        mine = sum(count / totals[execution] for execution, count in everyone[request.worker].items())
        return max(1, round(slots * mine / len(totals)))

    def _calls_in(self, worker: str) -> dict[str, int]:
        """Calls that wait in a worker; of one that has not told, a call of each of its executions."""
        known = self._waiting.get(worker)
        return known or {f"{worker}/{number}": 1 for number in range(self._workers[worker][1])}
