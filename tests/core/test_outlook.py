"""The outlook of a plan: what more agents and hosts would bring, what holds it up, what stops it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from epw.core.analysis.analysis import analyze
from epw.core.analysis.outlook import Circumstances
from epw.core.plan.model import Plan
from epw.core.plan.validate import read_plan
from epw.core.simulation.costs import NONE
from epw.core.simulation.fleet import Host

FREE = Circumstances(costs=NONE)


def planned(*rows: dict[str, Any], **more: Any) -> Plan:
    tasks = [{"id": f"t{n}", "description": f"part {n}", "agent": "claude", **row} for n, row in enumerate(rows)]
    return read_plan({"tasks": tasks, **more}, runnable=False)


def _prediction(plan: Plan, here: Circumstances = FREE) -> dict[str, Any]:
    found: dict[str, Any] = analyze(plan, here)["prediction"]
    return found


CHAIN_AND_OTHERS = [{}, *({"dependsOn": [f"t{n}"]} for n in range(3)), *({} for _ in range(12))]


def test_more_agents_help_until_the_chain_takes_as_long() -> None:
    plan = planned(*CHAIN_AND_OTHERS, maxAgents=1)
    found = _prediction(plan)
    assert [(row["agents"], row["minutes"]) for row in found["byAgents"]] == [(1, 160), (2, 80), (4, 40)]
    assert (found["minutes"], found["enoughAgents"]) == (160, 4)
    assert found["heldUpBy"] == [{"by": "agents", "minutes": 120}, {"by": "chain", "minutes": 0}]


def test_fewer_agents_are_named_where_they_are_as_quick() -> None:
    found = _prediction(planned(*CHAIN_AND_OTHERS, maxAgents=16))
    assert [(row["agents"], row["minutes"]) for row in found["byAgents"]] == [(4, 40), (16, 40)]
    assert (found["enoughAgents"], [each["by"] for each in found["heldUpBy"]]) == (4, ["chain"])


CALLS = {"estimatedRequests": 100}
LIMIT = {"apiRateLimit": {"provider": "anthropic", "maxRequestsPerMinute": 20}}


@pytest.mark.parametrize(
    ("plan", "here", "name"),
    [
        (planned(*[CALLS] * 8, maxAgents=8, constraints=LIMIT), FREE, "rateLimit"),
        (planned(*[{"files": ["x"]}] * 4, maxAgents=4), FREE, "files"),
        (planned({"estimatedMinutes": 50}, {}, {"dependsOn": ["t1"]}, maxAgents=3, atomic="batch"), FREE, "batches"),
        (planned(*[{}] * 8, maxAgents=8, workspace="/w"), Circumstances(costs=replace(NONE, landing=600.0)), "landing"),
        (planned(*[{}] * 8, maxAgents=8), Circumstances(costs=replace(NONE, turn_thread=60.0)), "coordination"),
        (planned(*[{}] * 8, maxAgents=8), replace(FREE, hosts=[Host(slots=2)]), "hosts"),
    ],
    ids=["rate limit", "files", "batches", "landing", "coordination", "hosts"],
)
def test_what_holds_it_up_is_named_with_the_minutes_it_would_be_sooner(
    plan: Plan, here: Circumstances, name: str
) -> None:
    found = _prediction(plan, here)
    assert found["heldUpBy"][0]["by"] == name
    assert found["heldUpBy"][0]["minutes"] > 0


def test_more_hosts_are_looked_at_where_their_slots_hold_it_up() -> None:
    plan = planned(*[{}] * 8, maxAgents=8)
    here = replace(FREE, hosts=[Host(slots=2)])
    assert _prediction(plan, here)["byHosts"] == [
        {"hosts": 1, "minutes": 40},
        {"hosts": 2, "minutes": 20},
        {"hosts": 4, "minutes": 10},
    ]
    assert _prediction(plan)["byHosts"] == []


def test_dollars_are_those_of_the_tasks_that_have_an_estimate() -> None:
    plan = planned({"estimatedCostUSD": 1.25}, {"estimatedCostUSD": 2.0}, {})
    assert (_prediction(plan)["costUSD"], _prediction(plan)["tasksWithCost"]) == (3.25, 2)
    assert _prediction(planned({}))["costUSD"] is None


def test_failing_attempts_cost_too() -> None:
    plan = planned(*[{"estimatedCostUSD": 1.0}] * 50, strategy="aggressive")
    found = _prediction(plan, replace(FREE, failing=0.2))
    assert 52 < found["costUSD"] < 75
    assert found["minutes"] > _prediction(plan)["minutes"]


def test_what_stops_it_is_named_with_how_far_it_is() -> None:
    plan = planned(*[{"estimatedCostUSD": 2.0}] * 5, maxAgents=1, constraints={"budget": {"maxCostUSD": 5}})
    found = _prediction(plan)
    assert (found["stoppedBy"], found["minutes"], found["succeeded"], found["costUSD"]) == ("budget", 25, 2, 5)
    assert (found["heldUpBy"], found["enoughAgents"]) == ([], None)


def test_a_large_plan_is_simulated_a_few_times_only() -> None:
    rows = [{"dependsOn": [f"t{n - 100}"] if n >= 100 else []} for n in range(3_000)]
    found = _prediction(planned(*rows, maxAgents=10))
    assert found["minutes"] == 3_000
    assert len(found["byAgents"]) <= 8
