"""Tasks that may write the same file: found by an index as by pairs, and scheduled as with leases."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from epw.core.globs import may_overlap
from epw.core.plan.graph import TaskGraph
from epw.core.schedule.apart import predict_apart
from epw.core.schedule.scheduler import makespan, predict
from epw.core.schedule.write_sets import WriteSets

_PATTERNS = (
    *("src", "src/**", "src/*", "src/a.py", "src/*.py", "src/sub/b.py", "./src//a.py", "**", "*", "**/b.py", "s*/a.py"),
    *("doc/?.md", "doc/[ab].md", "doc/[*].md", "doc", "src/ab*", "src/a*", "src/abc", "sr", "srcx/a.py", "."),
)
plans = st.integers(1, 30).flatmap(
    lambda count: st.tuples(
        st.lists(st.integers(1, 30), min_size=count, max_size=count),
        st.lists(st.lists(st.sampled_from(_PATTERNS), max_size=3), min_size=count, max_size=count),
        st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=20),
        st.integers(1, 6),
    )
)


def test_patterns_that_may_overlap_are_found_without_comparing_all_pairs() -> None:
    writes = WriteSets({str(index): [pattern] for index, pattern in enumerate(_PATTERNS)})
    for one in _PATTERNS:
        assert writes.rivals[one] == {other for other in _PATTERNS if may_overlap(one, other)}, one


def test_patterns_far_from_one_another_are_not_compared() -> None:
    may_overlap.cache_clear()
    WriteSets({str(n): [f"src/m{n}/**", f"test_{n:04}_*.py", "package.json"] for n in range(2000)})
    assert may_overlap.cache_info().misses < 20


@settings(deadline=None, max_examples=200)
@given(plans)
def test_a_schedule_apart_is_the_one_that_leases_give(drawn: Any) -> None:
    minutes, files, edges, agents = drawn
    dependencies: dict[str, list[str]] = {str(n): [] for n in range(len(minutes))}
    for one, other in edges:
        if one < other:
            dependencies[str(other)].append(str(one))
    graph = TaskGraph(dependencies, {str(n): each for n, each in enumerate(minutes)})
    by_task = {str(n): patterns for n, patterns in enumerate(files) if patterns}
    assert predict_apart(graph, agents, WriteSets(by_task)) == predict(graph, agents, files=by_task)


def test_ten_thousand_tasks_on_one_pattern_run_one_after_another() -> None:
    """Trying every waiting task again at every end would take minutes."""
    ids = [str(n) for n in range(10_000)]
    graph = TaskGraph({task: [] for task in ids}, dict.fromkeys(ids, 1.0))
    slots = predict_apart(graph, 50, WriteSets({task: ["src/**"] for task in ids}))
    assert (makespan(slots), [slot.task_id for slot in slots]) == (10_000, ids)
