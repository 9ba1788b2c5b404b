"""Ancestors by edges, files by descriptions, and which concurrent tasks may write the same file."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epw.core.analysis.analysis import analyze
from epw.core.analysis.contention import contention
from epw.core.globs import may_overlap
from epw.core.plan.ancestors import Ancestors
from epw.core.plan.graph import TaskGraph
from epw.core.plan.mentions import mentioned_files, write_sets
from epw.core.plan.model import Plan
from epw.core.plan.validate import read_plan

_PATTERNS = ("src", "src/**", "src/*.py", "src/a.py", "src/b.py", "doc/?.md", "doc/x.md", "**/b.py")
edges = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)).map(sorted), max_size=20)


def _graph(pairs: list[list[int]]) -> TaskGraph:
    after: dict[str, list[str]] = {str(n): [] for n in range(10)}
    for one, other in pairs:
        if one != other:
            after[str(other)].append(str(one))
    return TaskGraph(after, dict.fromkeys(after, 1.0))


@settings(deadline=None)
@given(edges, edges, st.permutations(range(10)))
def test_ancestors_are_those_of_the_graph_before_and_after_edges_are_added(first: Any, more: Any, names: Any) -> None:
    renamed = [[names[one], names[other]] for one, other in more]
    graph = _graph(first)
    known: nx.DiGraph[str] = nx.DiGraph(graph.edges)
    known.add_nodes_from(graph.ids)
    up, down = Ancestors.upstream(graph), Ancestors.downstream(graph)
    for one, other in renamed:
        before, after = str(one), str(other)
        if before != after and not nx.has_path(known, after, before):
            known.add_edge(before, after)
            up.add(before, after)
            down.add(after, before)
    for task in graph.ids:
        assert {each for each in graph.ids if up.has(task, each)} == nx.ancestors(known, task)
        assert {each for each in graph.ids if down.has(task, each)} == nx.descendants(known, task)


@settings(deadline=None)
@given(edges, st.lists(st.lists(st.sampled_from(_PATTERNS), max_size=2), min_size=10, max_size=10))
def test_contention_is_what_a_look_at_every_pair_finds(pairs: Any, files: Any) -> None:
    graph = _graph(pairs)
    plan = _plan([{"id": task, "files": files[int(task)]} for task in graph.ids])
    known: nx.DiGraph[str] = nx.DiGraph(graph.edges)
    known.add_nodes_from(graph.ids)
    free = [
        pair for pair in combinations(graph.ids, 2) if not any(nx.has_path(known, *each) for each in (pair, pair[::-1]))
    ]
    met = {
        (one, other): mine
        for one, other in free
        for mine in reversed(files[int(one)])
        if any(may_overlap(mine, theirs) for theirs in files[int(other)])
    }
    found = contention(plan.tasks, graph, 20)
    assert (found.concurrent, found.overlapping) == (len(free), len(met))
    assert found.examples == [(*pair, mine) for pair, mine in met.items()][:20]


def _plan(tasks: list[dict[str, Any]]) -> Plan:
    return read_plan({"tasks": [{"description": "work", **task} for task in tasks]}, runnable=False)


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("Write user.ts", {"user.ts": True}),
        ("Read ./user.ts, then create src/list.ts", {"user.ts": False, "src/list.ts": True}),
        ("user.ts is long", {"user.ts": False}),
        ("Create a Node.js server, e.g. for users", {}),
        ("Test a.py. Build b.py; check c.py", {"a.py": False, "b.py": True, "c.py": False}),
    ],
)
def test_files_that_a_description_mentions(description: str, expected: dict[str, bool]) -> None:
    assert mentioned_files(description) == expected


def test_a_task_without_declared_files_writes_what_its_description_says() -> None:
    plan = _plan(
        [{"id": "a", "description": "Write a.py", "files": ["b.py"]}, {"id": "b", "description": "Write a.py"}]
    )
    assert write_sets(plan.tasks) == {"a": ["b.py"], "b": ["a.py"]}


def test_conflict_risk_is_the_share_of_concurrent_pairs_that_cannot_write_the_same_file() -> None:
    tasks = [{"id": each, "description": f"Write {each}", "files": ["x"]} for each in "ab"]
    tasks += [{"id": "c", "description": "Write x.py"}, {"id": "d", "description": "Create x.py", "dependsOn": ["a"]}]
    factors = analyze(_plan(tasks))["factors"]
    # Concurrent: ab, ac, bc, bd, cd. Both of ab declare x, both of cd say that they write x.py.
    assert (factors["conflictRisk"], factors["resourceContention"]) == (60, 60)


def test_only_declared_files_are_a_high_risk() -> None:
    tasks = [{"id": each, "description": f"Write x.py for {each}"} for each in "ab"]
    assert not [risk for risk in analyze(_plan(tasks))["risks"] if risk["severity"] == "high"]
