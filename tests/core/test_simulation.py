"""The simulation of an execution: the same scheduler, the limits at every moment, what fails, waits and is spent."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from epw.core.account_limiter import AccountLimiter, LeaseRequest, Limits
from epw.core.globs import may_overlap
from epw.core.plan.graph import TaskGraph
from epw.core.plan.model import Plan
from epw.core.plan.validate import read_plan
from epw.core.schedule.prediction import makespan, predict_plan
from epw.core.simulation.costs import NONE, Costs
from epw.core.simulation.course import Attempt, Predicted
from epw.core.simulation.fleet import Host
from epw.core.simulation.simulation import simulate_execution
from epw.core.simulation.works import Luck

COSTS = Costs(
    begin=0.2,
    finish=0.3,
    hop=0.002,
    turn_thread=0.002,
    turn_process=0.002,
    event_thread=0.0005,
    activity_thread=0.002,
    activity_process=0.003,
    beat_thread=0.001,
    beat_process=0.001,
    prepare=0.3,
    directory_thread=0.02,
    directory_process=0.01,
    directory_pause=0.01,
    landing=0.03,
    change_thread=0.01,
    change_process=0.01,
    deliver=0.2,
    cancel=0.3,
)
_FILES = ("src/a.py", "src/**", "doc/?.md", "doc/b.md", "x")
_PLACES = (None, "/somewhere", "https://git.example/repo.git")


@st.composite
def plans(draw: st.DrawFn, workspaces: Sequence[str | None] = _PLACES) -> Plan:
    labels = st.sampled_from([[], [], ["gpu"]])
    return read_plan(
        {
            "maxAgents": draw(st.integers(1, 6)),
            "atomic": draw(st.sampled_from(["execution", "batch", "task"])),
            "strategy": draw(st.sampled_from(["conservative", "aggressive"])),
            "workspace": draw(st.sampled_from(workspaces)),
            "tasks": [
                {
                    "id": f"t{n}",
                    "description": "work",
                    "run": "true",
                    "estimatedMinutes": draw(st.integers(1, 20)),
                    "priority": draw(st.integers(-1, 1)),
                    "files": draw(st.lists(st.sampled_from(_FILES), max_size=2)),
                    "needs": draw(labels),
                    "dependsOn": [f"t{d}" for d in range(n) if draw(st.integers(0, 4)) == 0],
                }
                for n in range(draw(st.integers(1, 14)))
            ],
        }
    )


hosts = st.lists(
    st.builds(Host, st.integers(1, 4), st.none() | st.integers(1, 3), st.sampled_from([(), ("gpu",)])),
    min_size=1,
    max_size=4,
).map(lambda drawn: [Host(labels=("gpu",)), *drawn])
lucks = st.builds(Luck, st.sampled_from([0.0, 0.2]), st.sampled_from([0.0, 0.2]), st.integers(0, 9))


def _plan(*rows: dict[str, Any], **more: Any) -> Plan:
    tasks = [{"id": f"t{n}", "description": "work", "agent": "claude", **row} for n, row in enumerate(rows)]
    return read_plan({"tasks": tasks, **more}, runnable=False)


def _at_once(attempts: Sequence[Attempt], *, since_slot: bool = False) -> Iterator[list[Attempt]]:
    """What runs at each beginning of an attempt; what ends at that moment does not."""
    for each in attempts:
        at = each.begin if since_slot else each.start
        yield [one for one in attempts if (one.begin if since_slot else one.start) <= at < one.end]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(plans([None]))
def test_without_costs_it_is_the_list_schedule(plan: Plan) -> None:
    found = simulate_execution(plan, NONE, [Host(labels=("gpu",))])
    slots = predict_plan(plan, TaskGraph.of_plan(plan))
    assert found.seconds == makespan(slots) * 60
    assert sorted((each.task_id, each.start, each.end) for each in found.attempts) == sorted(
        (slot.task_id, slot.start * 60, slot.end * 60) for slot in slots
    )


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(plans(), hosts, lucks, st.sampled_from([NONE, COSTS]))
def test_at_no_moment_are_there_more_than_limits_allow(plan: Plan, hosts: list[Host], luck: Luck, costs: Costs) -> None:
    found = simulate_execution(plan, costs, hosts, luck)
    tasks = {task.id: task for task in plan.tasks}
    assert found.most_at_once <= plan.max_agents
    for running in _at_once(found.attempts):
        assert len({each.agent for each in running}) == len({each.task_id for each in running}) <= plan.max_agents
        for number, one in enumerate(running):
            for other in (each for each in running[number + 1 :] if each.task_id != one.task_id):
                files = ((a, b) for a in tasks[one.task_id].files for b in tasks[other.task_id].files)
                assert not any(may_overlap(a, b) for a, b in files), "files"
    for running in _at_once(found.attempts, since_slot=True):
        for host, count in Counter(each.host for each in running).items():
            slots = hosts[host].slots
            assert slots is None or count <= slots
    for each in found.attempts:
        assert {*tasks[each.task_id].needs} <= {*hosts[each.host].labels}
    ends = {each.task_id: each.end for each in found.attempts}
    for each in found.attempts:
        assert all(ends[before] <= each.start for before in tasks[each.task_id].depends_on)
    if plan.workspace == "/somewhere":
        assert {each.host for each in found.attempts} <= {0}, "a directory is on one host"
    if found.stopped is None and luck == Luck(seed=luck.seed):
        assert found.done == len(plan.tasks)
        graph = TaskGraph.of_plan(plan)
        assert found.seconds >= 60 * max(graph.critical_minutes, sum(graph.minutes.values()) / plan.max_agents) - 1e-6


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(plans(), hosts, lucks)
def test_the_same_input_gives_the_same_course(plan: Plan, hosts: list[Host], luck: Luck) -> None:
    assert simulate_execution(plan, COSTS, hosts, luck) == simulate_execution(plan, COSTS, hosts, luck)


def _run(plan: Plan, costs: Costs = NONE, **more: Any) -> Predicted:
    return simulate_execution(plan, costs, **more)


def test_what_ends_during_a_turn_is_settled_in_the_next_one() -> None:
    plan = _plan(*({"estimatedMinutes": 1} for _ in range(4)), maxAgents=2)
    found = _run(plan, replace(NONE, turn_thread=1.0, event_thread=0.5))
    assert found.seconds == (1 + 2 * 0.5) + 60 + (1 + 2 * 0.5) + 60, (
        "two start in the first turn, two in the one after both ended"
    )


def test_the_next_task_waits_for_the_landing_of_what_it_depends_on() -> None:
    plan = _plan({"estimatedMinutes": 1}, {"estimatedMinutes": 1, "dependsOn": ["t0"]}, workspace="/w")
    assert _run(plan, replace(NONE, landing=7.0, change_process=2.0)).seconds == 2 * (60 + 7), "each on the head"


def test_changes_land_together_that_were_ready_during_a_landing() -> None:
    rows = [{"estimatedMinutes": 1 + n / 60} for n in range(4)]
    found = _run(_plan(*rows, maxAgents=4, workspace="/w"), replace(NONE, landing=10.0, change_thread=1.0))
    assert (found.landing, found.seconds) == (10 + 13, 60 + 10 + 13), "the first one is made on the head"


def test_an_attempt_waits_for_a_slot_of_its_host_and_keeps_its_agent() -> None:
    plan = _plan(*({"estimatedMinutes": 1} for _ in range(4)), maxAgents=4)
    assert _run(plan, hosts=[Host(slots=1)]).seconds == 240
    assert _run(plan, hosts=[Host(slots=1), Host(slots=1)]).seconds == 120
    assert _run(plan, hosts=[Host(slots=1), Host(slots=1)]).most_at_once == 4


def test_what_needs_a_label_that_no_host_has_stops_there() -> None:
    plan = _plan({"estimatedMinutes": 1}, {"needs": ["gpu"]})
    found = _run(plan)
    assert (found.stopped, found.done) == ("labels", 1)
    assert _run(plan, hosts=[Host(), Host(labels=("gpu",))]).stopped is None


def test_cores_are_shared_by_all_that_a_host_does_and_one_of_them_by_all_threads_of_its_worker() -> None:
    plan = _plan(*({"estimatedMinutes": 1} for _ in range(4)), maxAgents=4, workspace="/w")
    processes, threads = replace(NONE, directory_process=20.0), replace(NONE, directory_thread=20.0)
    seconds = {
        (name, cores): round(_run(plan, costs, hosts=[Host(cores=cores)]).seconds, 6)
        for name, costs in (("processes", processes), ("threads", threads))
        for cores in (1, 2, 8)
    }
    assert seconds == {
        ("processes", 1): 140,
        ("processes", 2): 100,
        ("processes", 8): 80,
        **{("threads", cores): 140 for cores in (1, 2, 8)},
    }


def test_heartbeats_of_many_agents_take_time_from_everything_else() -> None:
    plan = _plan(*({"estimatedMinutes": 1 + n / 7} for n in range(20)), maxAgents=10, workspace="/w")
    costs = replace(NONE, directory_process=1.0)
    beating = replace(costs, beat_process=0.05)
    alone = [Host(cores=1)]
    assert _run(plan, beating, hosts=alone).seconds > _run(plan, costs, hosts=alone).seconds


def test_a_failed_attempt_is_followed_by_another_at_once_and_the_last_one_stops_a_conservative_execution() -> None:
    row = {"agent": "simulated", "simulate": {"seconds": 10, "failAttempts": [1]}}
    assert _run(_plan(row)).seconds == 20
    twice = {"agent": "simulated", "simulate": {"seconds": 10, "failAttempts": [1, 2]}}
    rest = {"estimatedMinutes": 1, "dependsOn": ["t0"]}
    assert (_run(_plan(twice, rest)).stopped, _run(_plan(twice, rest)).done) == ("failure", 0)
    aggressive = _run(_plan(twice, rest, strategy="aggressive"))
    assert (aggressive.stopped, aggressive.done, aggressive.seconds) == (None, 2, 90)


def test_a_lost_run_is_followed_by_another_after_a_pause_that_grows() -> None:
    found = _run(_plan({"estimatedMinutes": 1}), luck=Luck(lost=1.0))
    pauses = sum(min(30, 0.2 * 2**n) for n in range(9))
    assert found.stopped == "failure"
    assert found.seconds == pytest.approx(600 + pauses)


def test_a_rate_limit_slows_down_all_that_call_and_nobody_else() -> None:
    calling = {"estimatedMinutes": 10, "estimatedRequests": 100}
    limit = {"apiRateLimit": {"provider": "anthropic", "maxRequestsPerMinute": 20}}
    plan = _plan(*[calling] * 4, {"estimatedMinutes": 10}, maxAgents=5, constraints=limit)
    found = _run(plan)
    assert found.seconds == pytest.approx(20 * 60), "40 a minute are wanted, 20 allowed"
    assert found.slowed == pytest.approx(4 * 600)
    assert {each.task_id: each.end for each in found.attempts}["t4"] == 600
    tokens = {"apiRateLimit": {**limit["apiRateLimit"], "maxRequestsPerMinute": 900, "maxTokensPerMinute": 1000}}
    hungry = {"estimatedMinutes": 10, "estimatedTokens": 5000}
    assert _run(_plan(*[hungry] * 4, maxAgents=4, constraints=tokens)).seconds == pytest.approx(20 * 60)


def _by_the_limiter(agents: int, calls: int, pause: float, a_minute: int) -> float:
    """Seconds in which agents that each pause before every call have made their calls, slots given by the limiter."""
    account, limits = AccountLimiter(), {"e": Limits(requests_per_minute=a_minute)}
    left = dict.fromkeys(range(agents), calls)
    events = [(pause * 1000, agent) for agent in range(agents)]
    waiting, now, asks_at = list[int](), 0.0, 0.0
    while events or waiting:
        now = max(now, min([*(at for at, _ in events[:1]), *([asks_at] if waiting else [])]))
        while events and events[0][0] <= now:
            waiting.append(heapq.heappop(events)[1])
        if waiting and asks_at <= now:
            lease = account.lease(LeaseRequest(worker="w", waiting=[1] * len(waiting), executions=limits), now)
            for slot in lease.slots:
                agent = waiting.pop(0)
                left[agent] -= 1
                if left[agent]:
                    heapq.heappush(events, (now + slot + pause * 1000, agent))
            asks_at = now + lease.again_ms
    return now / 1000


@pytest.mark.parametrize(("agents", "a_minute"), [(4, 30), (8, 30), (20, 60), (2, 60)])
def test_a_rate_limit_slows_down_as_the_limiter_of_an_account_does(agents: int, a_minute: int) -> None:
    limit = {"apiRateLimit": {"provider": "anthropic", "maxRequestsPerMinute": a_minute}}
    rows = [{"estimatedMinutes": 10, "estimatedRequests": 100}] * agents
    found = _run(_plan(*rows, maxAgents=agents, constraints=limit))
    assert found.seconds == pytest.approx(_by_the_limiter(agents, 100, 6.0, a_minute), rel=0.02)


def test_what_is_spent_adds_up_over_failed_attempts_and_stops_at_the_budget() -> None:
    rows = [{"estimatedMinutes": 10, "estimatedCostUSD": 2.0, "estimatedTokens": 1000} for _ in range(5)]
    found = _run(_plan(*rows, maxAgents=2))
    assert (found.cost_usd, found.tokens) == pytest.approx((10, 5000))
    capped = _run(_plan(*rows, maxAgents=2, constraints={"budget": {"maxCostUSD": 5}}))
    assert (capped.stopped, capped.done) == ("budget", 2)
    assert capped.cost_usd == pytest.approx(5)
    assert capped.seconds == pytest.approx(60 * 12.5)
    enough = _run(_plan(*rows, maxAgents=2, constraints={"budget": {"maxCostUSD": 10, "maxTokens": 5000}}))
    assert (enough.stopped, enough.done) == (None, 5)


def test_ten_thousand_tasks_on_a_thousand_agents_and_ten_hosts_are_done() -> None:
    rows = [{"estimatedMinutes": 1 + n * 7919 % 30} for n in range(2_000)]
    found = _run(_plan(*rows, maxAgents=200), COSTS, hosts=[Host(slots=20)] * 10)
    assert (found.done, found.most_at_once) == (2_000, 200)
