"""Costs of the simulation, fitted to executions that were measured."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

import pytest

from benchmarks.costs import MEASURED, fitted, predicted, written
from benchmarks.executions import Run, chain, commands, crowd
from epw.core.messages import DELIVER, LAND, PREPARE, RUN_TASK
from epw.core.simulation.costs import Costs

_STEPS = {PREPARE: [0.06], DELIVER: [0.05]}
_WORKSPACE = {"workspace": "/w", "checks": "off"}


def _run(plan: dict[str, Any], wall: float, threads: float, processes: float, turns: int, **more: Any) -> Run:
    told = {
        "server": 0.0,
        "others": 0.0,
        "first": 0.01,
        "lasted": wall - 0.005,
        "last": 0.01,
        "steps": {},
        "landed": [],
    }
    return Run(plan, wall, threads, processes, turns=turns, **{**told, **more})


RUNS = {
    "one": _run(chain(60), 0.55, 0.28, 0, 61, server=0.34, first=0.016),
    "many": _run(crowd(800, 50), 2.04, 2.05, 0, 128, server=1.13, first=0.07),
    "beating": _run(crowd(120, 60, 2.0), 4.27, 0.48, 0, 19, server=0.48),
    "few": _run({**chain(10, writes=True), **_WORKSPACE}, 0.75, 0.28, 0.30, 23, steps=_STEPS | {LAND: [0.006]}),
    "several": _run(
        {**chain(50, writes=True), **_WORKSPACE},
        4.0,
        1.7,
        1.3,
        103,
        steps=_STEPS | {LAND: [0.006] * 50, DELIVER: [0.1]},
    ),
    "together": _run(
        {**crowd(100, 10, writes=True), **_WORKSPACE, "atomic": "batch"},
        4.5,
        *(2.9, 2.8, 60),
        steps=_STEPS | {LAND: [1.03], DELIVER: [0.17]},
        landed=[100],
    ),
    "crowded": _run({**crowd(150, 50, writes=True), **_WORKSPACE}, 8.1, 4.6, 4.4, 50, landed=[10] * 15),
    "large": _run(
        {**chain(6, writes=True), **_WORKSPACE},
        *(1.8, 0.34, 1.38, 15),
        steps={PREPARE: [0.56], RUN_TASK: [0.33, 0.15, 0.14, 0.15, 0.15, 0.11]},
    ),
}


@pytest.fixture(scope="module")
def costs() -> Costs:
    started = [_run(commands(count), 0.03 * count, 0.02 * count, 0.004 * count, count + 1) for count in (5, 25)]
    return fitted(**RUNS, started=started)


def test_the_simulation_takes_as_long_as_what_the_costs_were_measured_by(costs: Costs) -> None:
    for name in ("one", "several", "crowded"):
        assert predicted(RUNS[name], costs) == pytest.approx(RUNS[name].wall, rel=0.03), name


def test_no_cost_is_below_nothing_and_each_is_known(costs: Costs) -> None:
    values = {name: value for name, value in asdict(costs).items() if name != "source"}
    assert all(value >= 0 for value in values.values()), values
    assert {name for name, value in values.items() if not value} <= {"program_pause"}


def test_the_defaults_are_written_by_the_benchmark(costs: Costs) -> None:
    module: dict[str, Any] = {}
    exec(written(costs), module)
    for each in fields(Costs):
        known = getattr(costs, each.name)
        expected = known if isinstance(known, str) else pytest.approx(known, rel=0.01)
        assert getattr(module["MEASURED"], each.name) == expected
    assert list(module["MEASURED"].__dict__) == [each.name for each in fields(Costs)]
    assert "measured it" in MEASURED.read_text()
