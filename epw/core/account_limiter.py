"""How fast an API account may be called: the limits that are given, and those that its 429s teach. Pure; times in ms.

Given limits are kept by GCRA (the generic cell rate algorithm, a leaky bucket that needs one time stamp): each call
has a slot, slots are an interval apart. Unknown ones are found by additive increase and multiplicative decrease:
a 429 slows everyone down together, every second without one lets everyone go faster: by much while far from where the
last 429 came (after the first one nobody knows where that is), by little near it.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from epw.core.plan.model import Message

_MINUTE_MS = 60_000
_HORIZON_MS = 1_000
_WORKER_MS = 5_000
_EXECUTION_MS = 10 * _MINUTE_MS
_FORGET_MS = 10 * _MINUTE_MS
_WINDOW_MS = 5_000
_DECREASE = 0.9
_FIRST_A_SECOND = 1.0
_FEELING = 1.5
_FAR = 1.15
_NEAR = 1.02
_IS_NEAR = 0.9
"""From this share of the rate of the last refusal on. The three before: by how much the rate grows in a second."""
_MIN_A_SECOND = 0.1
_NO_RETRY_AFTER_MS = 500


class Limits(Message):
    """What an execution's plan allows the account."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


class LeaseRequest(Message):
    """A worker asks for slots for the calls that wait in it, and tells how the last ones went."""

    worker: str
    waiting: list[int] = Field(default_factory=list)
    """The tokens that each waiting call may use, in order; a worker tells of no more than it could use soon."""
    executions: dict[str, Limits] = Field(default_factory=dict)
    """The executions whose calls wait."""
    succeeded: int = 0
    throttled: int = 0
    retry_after_ms: int | None = None
    tokens_beyond: int = 0
    """How many tokens calls used beyond what was said of them; negative: fewer."""
    blocked_until_ms: int | None = None


class Lease(Message):
    """When calls may be made: `slots`, ms from now; or all of them for a while, where no limit is known."""

    slots: list[int] = Field(default_factory=list)
    free_for_ms: int = 0
    again_ms: int = _HORIZON_MS
    blocked_for_ms: int = 0


class AccountState(Message):
    """All that a limiter knows; it goes on with it as a new run."""

    next_slot_ms: float = 0
    next_tokens_ms: float = 0
    paused_until_ms: float = 0
    blocked_until_ms: float = 0
    learned: float | None = None
    """Calls a second; None: nothing has been refused yet."""
    ceiling: float | None = None
    """Calls a second at which the last refusal came; None: not known."""
    changed_ms: float = 0
    decreased_ms: float = 0
    successes: list[tuple[float, int]] = Field(default_factory=list)
    executions: dict[str, tuple[float, Limits]] = Field(default_factory=dict)
    workers: dict[str, tuple[float, int]] = Field(default_factory=dict)
    """When each worker last asked, and for how many executions."""

    @classmethod
    def read(cls, document: Any) -> AccountState:
        """The state that a run before this one has left."""
        # Not strict: JSON has no tuples.
        return cls.model_validate(document, strict=False)


class AccountLimiter:
    """The limiter of one API account."""

    def __init__(self, state: AccountState | None = None) -> None:
        given = state or AccountState()
        self._next_slot, self._next_tokens = given.next_slot_ms, given.next_tokens_ms
        self._paused_until, self._blocked_until = given.paused_until_ms, given.blocked_until_ms
        self._learned, self._changed, self._decreased = given.learned, given.changed_ms, given.decreased_ms
        self._ceiling = given.ceiling
        self._successes = list(given.successes)
        self._executions, self._workers = dict(given.executions), dict(given.workers)

    def state(self) -> AccountState:
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
        )

    def is_blocked(self, now: float) -> bool:
        """Whether a usage limit holds, which nobody may forget."""
        return self._blocked_until > now

    def lease(self, request: LeaseRequest, now: float) -> Lease:
        """Slots for as many of a worker's calls as is fair, in the next second."""
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
        return Lease(slots=slots, again_ms=max(10, round(following - _HORIZON_MS / 2)))

    def _note(self, request: LeaseRequest, now: float) -> None:
        self._workers[request.worker] = (now, max(1, len(request.executions)))
        self._workers = {name: each for name, each in self._workers.items() if now - each[0] < _WORKER_MS}
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
        if request.throttled:
            wait = request.retry_after_ms if request.retry_after_ms is not None else _NO_RETRY_AFTER_MS
            self._paused_until = max(self._paused_until, now + wait)
            # Refusals of calls that were under way together are one piece of news.
            if now - self._decreased > _HORIZON_MS:
                seen, before = self._rate_seen(now), self._learned
                if before is None:
                    # Too little has been seen to judge by: from here it is felt for, quickly.
                    self._learned = max(_FIRST_A_SECOND, _DECREASE * seen)
                elif self._ceiling is None:
                    self._learned = max(_MIN_A_SECOND, _DECREASE * seen)
                else:
                    self._learned = max(_MIN_A_SECOND, _DECREASE * before)
                self._ceiling, self._decreased = before, now
        elif self._learned is not None:
            if now - self._decreased > _FORGET_MS:
                self._learned = self._ceiling = None
                return
            since = max(self._changed, min(self._paused_until, now))
            self._learned *= self._growth(self._learned) ** ((now - since) / 1000)
        self._changed = now

    def _growth(self, rate: float) -> float:
        if self._ceiling is None:
            return _FEELING
        return _NEAR if rate >= _IS_NEAR * self._ceiling else _FAR

    def _rate_seen(self, now: float) -> float:
        """Calls a second that went through, or the rate in force where that is lower."""
        oldest = self._successes[0][0] if self._successes else now
        # What was told first had happened before.
        counted = self._successes[1:] or self._successes
        seen = sum(count for _, count in counted) / max(1.0, (now - oldest) / 1000)
        return seen if self._learned is None else max(min(seen, self._learned), 0.5 * self._learned)

    def _interval(self) -> float | None:
        """Ms between two calls; None: no limit is known."""
        given = [limits.requests_per_minute for _, limits in self._executions.values() if limits.requests_per_minute]
        slowest = _MINUTE_MS / min(given) if given else 0.0
        if self._learned is not None:
            slowest = max(slowest, 1000 / self._learned)
        return slowest or None

    def _token_interval(self) -> float | None:
        given = [limits.tokens_per_minute for _, limits in self._executions.values() if limits.tokens_per_minute]
        return _MINUTE_MS / min(given) if given else None

    def _share(self, request: LeaseRequest, interval: float | None) -> int:
        """How many of the next second's slots are a worker's: by the executions that wait in it."""
        slots = _HORIZON_MS / interval if interval else len(request.waiting)
        everyone = sum(count for _, count in self._workers.values())
        mine = self._workers[request.worker][1]
        return max(1, round(slots * mine / everyone))
