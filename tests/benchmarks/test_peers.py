"""The comparison with other engines: what scripts are asked and answer, and what is made of it. No peer runs here."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers.__main__ import Unmeasured, ask, heard, missing, pythons
from benchmarks.peers.cells import AGENTS, Cell, cells, markdown, scores
from benchmarks.peers.contestants import CONTESTANTS, Contestant
from benchmarks.peers.protocol import ANSWER, WARM, Graph, ListSchedule

BY_NAME = {each.name: each for each in CONTESTANTS}


def graph(agents: int, /, **tasks: tuple[float, str]) -> Graph:
    """Of rank and dependencies by task."""
    return Graph(
        {task: list(before) for task, (_, before) in tasks.items()},
        dict.fromkeys(tasks, 0.0),
        {task: rank for task, (rank, _) in tasks.items()},
        agents,
    )


def test_a_schedule_starts_the_greatest_rank_first_on_the_agents_there_are() -> None:
    schedule = ListSchedule(graph(2, a=(1, ""), b=(3, ""), c=(2, ""), d=(9, "a")))
    assert schedule.starts() == ["b", "c"]
    assert schedule.starts() == []
    schedule.ended("c")
    assert schedule.starts() == ["a"]
    schedule.ended("a")
    assert schedule.starts() == ["d"]


def test_tasks_in_order_come_after_what_they_depend_on() -> None:
    assert graph(1, a=(5, "bc"), b=(1, ""), c=(2, "")).in_order == ["c", "b", "a"]


def test_answers_are_found_among_what_an_engine_prints() -> None:
    printed = f'Starting …\n{ANSWER}{{"dbos": "3"}}\n{{"dbos": "4"}}\n{ANSWER}0.5\n'
    assert heard(printed) == [{"dbos": "3"}, 0.5]


def test_every_contestant_gets_three_graphs_by_three_durations_of_the_same_tasks() -> None:
    found = cells()
    assert len(found) == len({cell.name for cell in found}) == 9
    assert {cell.graph.agents for cell in found} == {AGENTS}
    assert {frozenset(cell.graph.seconds) for cell in found} == {frozenset(found[0].graph.seconds)}
    assert [bool(cell.ideal) for cell in found] == [False] * 3 + [True] * 6


def test_scores_are_of_medians() -> None:
    none, some = Cell("none", WARM, 0.0), Cell("some", WARM, 3.0)
    found = scores({"x": [[0.4, 4.0], [9.0, 99.0], [0.2, 3.5]], "absent": []}, [none, some])
    assert found == {"x": {"none": 100.0, "some": 0.75}}


def test_an_interpreter_is_of_one_peer_or_of_all_and_never_of_ours(tmp_path: Path) -> None:
    one, all_of_them = tmp_path / "one", tmp_path / "all"
    for each in (one, all_of_them):
        each.symlink_to(sys.executable)
    found = pythons([f"Dask={one}", str(all_of_them)])
    assert (found["Dask"], found["ninja"], found["epw"]) == (str(one), str(all_of_them), sys.executable)


@pytest.mark.parametrize("given", ["Dusk=/bin/sh", "Dask=/no/such/python"])
def test_a_wrong_interpreter_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="--peer-python"):
        pythons([given])


def test_a_peer_that_is_not_installed_is_missed_by_the_name_of_its_module() -> None:
    assert missing(replace(BY_NAME["Dask"], needs=("json", "no_such_module")), sys.executable) == "no_such_module"
    assert missing(BY_NAME["epw"], sys.executable) is None


async def test_a_script_answers_each_graph() -> None:
    found = await ask(BY_NAME["asyncio"], sys.executable, [Cell("a", WARM, 0.0), Cell("b", WARM, 0.0)])
    assert len(found.seconds) == 2
    assert min(found.seconds) > 0


async def test_a_script_that_fails_says_why() -> None:
    with pytest.raises(Unmeasured, match=r"exit status 1: .*no_such_script"):
        await ask(Contestant("x", "no_such_script", ""), sys.executable, [])


def test_the_page_has_a_row_a_contestant_and_names_who_is_absent() -> None:
    result: dict[str, Any] = {
        "scores": {"asyncio": {"fan, no-op": 0.01}, "Dask": {"fan, no-op": 2.5}},
        "versions": {"asyncio": {}, "Dask": {"distributed": "2026.8.0"}},
        "load": {"asyncio": [1.0], "Dask": [3.0, 2.0]},
        "skipped": {"ninja": "no module ninja"},
    }
    lines = markdown(result).splitlines()
    assert lines[0] == "| | fan, no-op |"
    assert "| Dask | 2.5 |" in lines
    assert f"| Dask | distributed 2026.8.0 | {BY_NAME['Dask'].survives} | 2.0 – 3.0 |" in lines
    assert lines[-1] == "ninja: not measured: no module ninja"
