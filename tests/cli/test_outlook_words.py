"""The outlook of a plan in sentences."""

from __future__ import annotations

from dataclasses import replace

import pytest

from epw.cli.outlook_words import outlook_words
from epw.core.analysis.analysis import analyze
from epw.core.analysis.outlook import Circumstances
from epw.core.plan.model import Plan
from epw.core.simulation.fleet import Host
from tests.core.test_outlook import CHAIN_AND_OTHERS, FREE, planned


def _words(plan: Plan, here: Circumstances = FREE) -> list[str]:
    return list(outlook_words(plan, analyze(plan, here)))


def test_what_more_agents_bring_and_why_no_more_help() -> None:
    assert _words(planned(*CHAIN_AND_OTHERS, maxAgents=1)) == [
        "1 agent: 2 h 40 min; 2: 1 h 20 min; 4: 40 min; more do not help: t0 → t1 → t2 → t3 takes 40 min"
    ]
    assert _words(planned({"estimatedMinutes": 60}, {}, {}, maxAgents=3)) == [
        "2 agents: 1 h; 3: 1 h; more do not help: t0 alone takes 1 h"
    ]
    path = [{}, *({"dependsOn": [f"t{n}"]} for n in range(9))]
    assert _words(planned(*path))[0].endswith("more do not help: t0 → t1 → … → t8 → t9 takes 1 h 40 min")


def test_what_holds_it_up_with_enough_agents_and_what_more_hosts_bring() -> None:
    plan, here = planned(*[{}] * 8, maxAgents=8), replace(FREE, hosts=[Host(slots=2)])
    assert _words(plan, here) == [
        "2 agents: 40 min; 8: 40 min; more do not help: without the slots of the hosts it would be 30 min sooner",
        "1 host: 40 min; 2: 20 min; 4: 10 min",
    ]


def test_dollars_and_for_how_many_tasks_they_are_not_known() -> None:
    plan = planned({"estimatedCostUSD": 1.25}, {"estimatedCostUSD": 2.0}, {})
    assert _words(plan)[-1] == "probably $3.25, without 1 task that no estimatedCostUSD is given for"
    assert _words(planned({"estimatedCostUSD": 1.25}))[-1] == "probably $1.25"


@pytest.mark.parametrize(
    ("plan", "here", "sentence"),
    [
        (
            planned(*[{"estimatedCostUSD": 2.0}] * 5, maxAgents=1, constraints={"budget": {"maxCostUSD": 5}}),
            FREE,
            "after 25 min the budget is spent ($5.00), with 2 of 5 tasks done: a person is asked for more",
        ),
        (
            planned(*[{"estimatedTokens": 2000}] * 5, maxAgents=1, constraints={"budget": {"maxTokens": 5000}}),
            FREE,
            "after 25 min the budget is spent (5,000 tokens), with 2 of 5 tasks done: a person is asked for more",
        ),
        (
            planned({}, {"dependsOn": ["t0"]}),
            replace(FREE, failing=1.0),
            "after 20 min a task has failed for good, which stops and undoes everything; 0 of 2 tasks were done",
        ),
        (
            planned({}, {"needs": ["gpu"]}),
            replace(FREE, hosts=[Host(slots=2)]),
            "after 10 min it waits for a host with the labels that tasks need, with 1 of 2 tasks done",
        ),
    ],
    ids=["dollars", "tokens", "failure", "labels"],
)
def test_what_stops_it_is_said_with_when_and_how_far_it_is(plan: Plan, here: Circumstances, sentence: str) -> None:
    assert _words(plan, here) == [sentence]
