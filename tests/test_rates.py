"""The limiter's arithmetic in simulated time: agents, workers and an API with a quota, no clock."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.rates import Account, AccountState, Lease, LeaseRequest, Limits

_AGENTS = 20
_CALL_MS = 50.0


@dataclass
class Api:
    """A bucket of one second's calls."""

    a_second: float
    tokens: float = 0
    filled: float = 0
    served: list[float] = field(default_factory=list)
    refused: int = 0

    def __post_init__(self) -> None:
        self.tokens = self.a_second

    def call(self, now: float) -> bool:
        self.tokens = min(self.a_second, self.tokens + (now - self.filled) * self.a_second / 1000)
        self.filled = now
        if self.tokens < 1:
            self.refused += 1
            return False
        self.tokens -= 1
        self.served.append(now)
        return True


@dataclass
class Worker:
    """As the worker's side does: asks for who waits, releases by slots, tells what came of it."""

    name: str
    waiting: int
    succeeded: int = 0
    throttled: int = 0
    slots: list[float] = field(default_factory=list)
    free_until: float = 0


def simulate(quota: float, workers: int, calls: int, *, retry_after: bool, limit: int | None = None) -> Api:
    """Until the agents have made so many calls each; every worker has its share of the agents."""
    account, api = Account(), Api(quota)
    crew = [Worker(f"w{n}", _AGENTS // workers) for n in range(workers)]
    todo = _AGENTS * calls
    events: list[tuple[float, int, str, Worker]] = []
    number = 0

    def at(time: float, what: str, worker: Worker) -> None:
        nonlocal number
        number += 1
        heapq.heappush(events, (time, number, what, worker))

    for worker in crew:
        at(0, "ask", worker)
    while len(api.served) < todo:
        now, _, what, worker = heapq.heappop(events)
        if what == "call":
            if api.call(now):
                worker.succeeded += 1
                at(now + _CALL_MS, "again", worker)
            else:
                worker.throttled += 1
                worker.waiting += 1
                worker.slots.clear()
                worker.free_until = 0
                at(now, "ask", worker)
        elif what == "again":
            worker.waiting += 1
            at(now, "ask", worker)
        elif what == "slot" and worker.slots and worker.slots[0] <= now and worker.waiting:
            worker.slots.pop(0)
            worker.waiting -= 1
            at(now, "call", worker)
        elif what == "ask" and worker.waiting and not worker.slots:
            if now < worker.free_until:
                worker.waiting -= 1
                at(now, "call", worker)
                at(now, "ask", worker)
                continue
            lease = ask(account, worker, now, retry_after, limit)
            worker.succeeded = worker.throttled = 0
            worker.free_until = now + lease.free_for_ms
            worker.slots = [now + slot for slot in lease.slots]
            for slot in worker.slots:
                at(slot, "slot", worker)
            at(now + lease.again_ms if not lease.free_for_ms else now, "ask", worker)
    return api


def ask(account: Account, worker: Worker, now: float, retry_after: bool, limit: int | None) -> Lease:
    return account.lease(
        LeaseRequest(
            worker=worker.name,
            waiting=[100] * worker.waiting,
            executions={"x": Limits(requests_per_minute=limit)},
            succeeded=worker.succeeded,
            throttled=worker.throttled,
            retry_after_ms=1000 if worker.throttled and retry_after else None,
        ),
        now,
    )


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("retry_after", [True, False])
@pytest.mark.parametrize("quota", [2.0, 5.0, 20.0])
def test_an_unknown_quota_is_found_and_nearly_used(quota: float, workers: int, retry_after: bool) -> None:
    api = simulate(quota, workers, calls=20, retry_after=retry_after)
    ideal = (_AGENTS * 20 - quota) / quota * 1000
    assert (api.served[-1] - api.served[0]) / ideal < 1.25


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_a_given_limit_at_the_quota_is_used_without_refusals(workers: int) -> None:
    api = simulate(5.0, workers, calls=20, retry_after=True, limit=300)
    assert api.refused == 0
    assert (api.served[-1] - api.served[0]) / ((_AGENTS * 20 - 1) / 5 * 1000) < 1.05


@given(
    limit=st.integers(1, 600),
    requests=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 30), st.integers(0, 3000)), max_size=60),
)
def test_no_more_slots_than_the_limit_whoever_asks_and_across_runs(
    limit: int, requests: list[tuple[str, int, int]]
) -> None:
    account, now, slots = Account(), 0, list[float]()
    for worker, waiting, pause in requests:
        now += pause
        request = LeaseRequest(
            worker=worker, waiting=[1] * waiting, executions={"x": Limits(requests_per_minute=limit)}
        )
        slots += [now + slot for slot in account.lease(request, now).slots]
        account = Account(AccountState.read(account.state().model_dump(by_alias=True, mode="json")))
    interval = 60_000 / limit
    slots.sort()
    for index, first in enumerate(slots):
        within = [slot for slot in slots[index:] if slot - first < 60_000]
        # Slots are whole milliseconds.
        assert len(within) <= limit + 1 + len(within) / interval
