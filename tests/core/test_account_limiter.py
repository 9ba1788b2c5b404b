"""The limiter's arithmetic in simulated time: agents, workers and an API with a quota, no clock."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from epw.core.account_limiter import AccountLimiter, AccountState, Lease, LeaseRequest, Limits

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
    """Run until each agent has made so many calls; every worker has its share of the agents."""
    account, api = AccountLimiter(), Api(quota)
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


def ask(account: AccountLimiter, worker: Worker, now: float, retry_after: bool, limit: int | None) -> Lease:
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


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    limit=st.integers(1, 600),
    requests=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 30), st.integers(0, 3000)), max_size=60),
)
def test_no_more_slots_than_the_limit_whoever_asks_and_across_runs(
    limit: int, requests: list[tuple[str, int, int]]
) -> None:
    account, now, slots = AccountLimiter(), 0, list[float]()
    for worker, waiting, pause in requests:
        now += pause
        request = LeaseRequest(
            worker=worker, waiting=[1] * waiting, executions={"x": Limits(requests_per_minute=limit)}
        )
        slots += [now + slot for slot in account.lease(request, now).slots]
        account = AccountLimiter(AccountState.read(account.state().model_dump(by_alias=True, mode="json")))
    interval = 60_000 / limit
    slots.sort()
    for index, first in enumerate(slots):
        within = [slot for slot in slots[index:] if slot - first < 60_000]
        # Slots are whole milliseconds.
        assert len(within) <= limit + 1 + len(within) / interval


def _asked(account: AccountLimiter, now: float, waiting: int = 0, worker: str = "w", **fields: object) -> Lease:
    return account.lease(LeaseRequest.model_validate({"worker": worker, "waiting": [1] * waiting, **fields}), now)


def _given(**limits: int) -> dict[str, Limits]:
    return {"x": Limits.model_validate(limits)}


def test_a_call_a_second_has_slots_a_second_apart_none_beyond_the_next_second() -> None:
    account, once = AccountLimiter(), _given(requests_per_minute=60)
    assert _asked(account, 10_000, 5, executions=once) == Lease(slots=[0], again_ms=500)
    assert _asked(account, 10_000, 5, executions=once) == Lease(slots=[1000], again_ms=1500)
    assert _asked(account, 10_000, 5, executions=once) == Lease(slots=[], again_ms=1500)
    assert _asked(account, 15_000, 5, executions=once) == Lease(slots=[0], again_ms=500), "what was unused is gone"


def test_many_calls_get_what_a_second_holds() -> None:
    account, limit = AccountLimiter(), _given(requests_per_minute=600)
    assert _asked(account, 0, 30, executions=limit) == Lease(slots=[100 * n for n in range(10)], again_ms=500)
    assert _asked(account, 900, 30, executions=limit).slots == [100 * (n + 1) for n in range(10)]


def test_without_a_limit_calls_are_free_for_a_second() -> None:
    assert _asked(AccountLimiter(), 5000, 3) == Lease(free_for_ms=1000)
    paused = AccountState(paused_until_ms=5000)
    assert _asked(AccountLimiter(paused), 4999, 1) == Lease(slots=[1], again_ms=10)
    assert _asked(AccountLimiter(paused), 5000, 1) == Lease(free_for_ms=1000)


def test_a_worker_asks_again_when_there_are_new_slots_but_not_at_once() -> None:
    limit = _given(requests_per_minute=600)
    assert _asked(AccountLimiter(), 0, 1, executions=limit) == Lease(slots=[0], again_ms=10)
    assert _asked(AccountLimiter(AccountState(paused_until_ms=3000)), 0, 1, executions=limit) == Lease(again_ms=2500)


def test_tokens_keep_calls_apart_by_what_they_may_use_and_then_by_what_they_used() -> None:
    account, limit = AccountLimiter(), _given(tokens_per_minute=60_000)
    request = LeaseRequest(worker="w", waiting=[100, 200, 900, 5], executions=limit)
    assert account.lease(request, 1000) == Lease(slots=[0, 100, 300], again_ms=700)
    assert _asked(account, 2000, 1, tokens_beyond=50, executions=limit).slots == [250]
    assert _asked(account, 2000, 1, tokens_beyond=-101, executions=limit).slots == [150]
    assert _asked(account, 9000, 1, tokens_beyond=30, executions=limit).slots == [30], "from now on"
    slower = AccountLimiter()
    _asked(slower, 1000, executions=_given(tokens_per_minute=15_000))
    assert _asked(slower, 1000, 1, tokens_beyond=30, executions=_given(tokens_per_minute=15_000)).slots == [120]


def test_of_several_executions_the_lowest_limit_holds_until_ten_minutes_after_its_last_call() -> None:
    account = AccountLimiter()
    limits = {"a": Limits(requests_per_minute=60), "b": Limits(requests_per_minute=600), "c": Limits()}
    _asked(account, 0, 1, executions=limits)
    assert _asked(account, 599_999, 3, executions={"b": limits["b"]}).slots == [0]
    assert _asked(account, 600_000, 3, executions={"b": limits["b"]}).slots == [999]
    assert set(account.state().executions) == {"b"}
    assert len(_asked(account, 700_000, 3, executions={"b": limits["b"]}).slots) == 3


def test_workers_share_by_the_executions_that_wait_in_them() -> None:
    account, limit = AccountLimiter(), Limits(requests_per_minute=1200)
    three = dict.fromkeys("abc", limit)
    assert len(_asked(account, 0, 40, "one", executions={"d": limit}).slots) == 20
    assert len(_asked(account, 3000, 40, "three", executions=three).slots) == 15
    assert len(_asked(account, 6000, 40, "one", executions={"d": limit}).slots) == 5
    assert len(_asked(account, 8000, 40, "one", executions={"d": limit}).slots) == 20, "five seconds without a word"
    assert len(_asked(account, 9500, 40, "many", executions={str(n): limit for n in range(30)}).slots) == 19
    assert len(_asked(account, 11_000, 40, "one", executions={"d": limit}).slots) == 1, "at least one"
    silent = AccountLimiter(AccountState(workers={"three": (3000, 3)}))
    assert len(_asked(silent, 7999, 40, "one", executions={"d": limit}).slots) == 5


def test_an_execution_is_served_where_its_calls_wait() -> None:
    account = AccountLimiter()
    limits = {"a": Limits(requests_per_minute=1200)}
    many = LeaseRequest(worker="many", waiting=[1] * 17, executions=limits, calls={"a": 17})
    few = LeaseRequest(worker="few", waiting=[1] * 3, executions=limits, calls={"a": 3})
    account.lease(few, 0)
    account.lease(many, 0)
    assert [len(account.lease(each, now).slots) for now, each in ((2000, many), (2000, few))] == [17, 3]
    # Another execution gets half, although it waits with less.
    other = LeaseRequest(
        worker="few", waiting=[1] * 13, executions={**limits, "b": limits["a"]}, calls={"a": 3, "b": 10}
    )
    account.lease(other, 4000)
    assert [len(account.lease(each, 6000).slots) for each in (many, other)] == [8, 12]


def test_a_usage_limit_blocks_everyone_until_its_end_and_is_not_shortened() -> None:
    account = AccountLimiter()
    assert _asked(account, 10_000, 1, blocked_until_ms=70_000) == Lease(blocked_for_ms=60_000, again_ms=60_000)
    assert _asked(account, 30_000, 1, "other", blocked_until_ms=40_000).blocked_for_ms == 40_000
    assert account.is_blocked(69_999)
    assert not account.is_blocked(70_000)
    assert _asked(account, 70_000, 1) == Lease(free_for_ms=1000)


@pytest.mark.parametrize(("said", "wait"), [(2000, 2000), (0, 0), (None, 500)])
def test_a_refusal_pauses_everyone_for_as_long_as_it_says(said: int | None, wait: int) -> None:
    account = AccountLimiter()
    lease = _asked(account, 10_000, 1, throttled=1, retry_after_ms=said)
    assert lease.slots == ([wait] if wait <= 1000 else [])
    assert account.state().paused_until_ms == 10_000 + wait
    _asked(account, 10_000, 0, throttled=1, retry_after_ms=100)
    assert account.state().paused_until_ms == 10_000 + max(wait, 100)


def test_a_rate_is_felt_for_after_the_first_refusal_and_kept_near_the_second() -> None:
    account = AccountLimiter()
    for second in range(3):
        _asked(account, 1000 * second, succeeded=10)
    _asked(account, 4000, throttled=1)
    assert account.state().learned == pytest.approx(0.9 * 20 / 4), "what was told first had happened before"
    _asked(account, 4900, throttled=1)
    _asked(account, 5000, throttled=1)
    assert account.state().learned == pytest.approx(4.5), "one piece of news"
    _asked(account, 5001, throttled=1)
    # Of the last five seconds: 20 calls after the first report.
    learned = account.state().learned
    assert learned == pytest.approx(0.9 * 10 / 4.001)
    assert account.state().ceiling == 4.5
    assert learned is not None
    _asked(account, 7000, throttled=1)
    assert account.state().learned == pytest.approx(0.9 * learned)
    assert account.state().ceiling == learned


def test_a_rate_is_judged_by_the_last_five_seconds_and_by_one_second_at_least() -> None:
    long, short, later = AccountLimiter(), AccountLimiter(), AccountLimiter(AccountState(learned=4.0))
    for second in range(2):
        _asked(long, 10_000 + 1000 * second, succeeded=10)
        _asked(short, 10_000 + 500 * second, succeeded=10)
    _asked(long, 15_000, throttled=1)
    assert long.state().learned == pytest.approx(0.9 * 10 / 5)
    _asked(short, 10_500, throttled=1)
    assert short.state().learned == pytest.approx(0.9 * 10 / 1)
    _asked(later, 10_000, throttled=1)
    assert later.state().learned == pytest.approx(0.9 * 4 / 2), "seen were none, half of what was in force is believed"


def test_a_first_guess_is_at_least_a_call_a_second_and_a_second_no_less_than_what_it_grew_from() -> None:
    account = AccountLimiter()
    _asked(account, 4000, throttled=1)
    assert account.state().learned == 1.0
    _asked(account, 9000, throttled=1)
    assert account.state().learned == pytest.approx(0.45), "half of what was in force, nine tenths of it"
    for n in range(60):
        _asked(account, 20_000 + 2000 * n, throttled=1)
    assert account.state().learned == 0.1


@pytest.mark.parametrize(
    ("ceiling", "learned", "growth"), [(None, 4.0, 1.5), (8.0, 4.0, 1.15), (8.0, 7.2, 1.02), (8.0, 7.1, 1.15)]
)
def test_each_second_without_a_refusal_lets_everyone_go_faster(
    ceiling: float | None, learned: float, growth: float
) -> None:
    state = AccountState(
        learned=learned, ceiling=ceiling, changed_ms=50_000, decreased_ms=50_000, paused_until_ms=51_000
    )
    account = AccountLimiter(state)
    _asked(account, 51_000)
    assert account.state().learned == learned, "not while all pause"
    _asked(account, 53_000)
    assert account.state().learned == pytest.approx(learned * growth**2)


def test_what_refusals_taught_is_forgotten_ten_minutes_later() -> None:
    account = AccountLimiter(AccountState(learned=1.0, ceiling=2.0, changed_ms=700_000, decreased_ms=100_000))
    _asked(account, 700_000)
    assert account.state().learned == 1.0
    assert _asked(account, 700_001) == Lease(free_for_ms=1000)
    assert (account.state().learned, account.state().ceiling) == (None, None)


def test_the_slower_of_what_was_given_and_learned_holds() -> None:
    for learned, per_minute, interval in ((2.0, 600, 500), (3.0, 600, 333), (20.0, 240, 250)):
        account = AccountLimiter(AccountState(learned=learned, changed_ms=1000, decreased_ms=1000))
        lease = _asked(account, 1000, 9, executions=_given(requests_per_minute=per_minute))
        assert lease.slots[:2] == [0, interval]


def test_a_limiter_goes_on_with_what_the_one_before_it_knew() -> None:
    state = AccountState(
        next_slot_ms=1.0,
        next_tokens_ms=2.0,
        paused_until_ms=3.0,
        blocked_until_ms=4.0,
        learned=5.0,
        ceiling=6.0,
        changed_ms=7.0,
        decreased_ms=8.0,
        successes=[(9.0, 10)],
        executions={"a": (11.0, Limits(requests_per_minute=12))},
        workers={"w": (13.0, 14)},
    )
    assert AccountLimiter(state).state() == state
    assert AccountState.read(state.model_dump(by_alias=True, mode="json")) == state
