"""The graph of tasks: order, levels, longest paths, what depends on what, cycles."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise, product

import pytest

from epw.core.plan.graph import TaskGraph, format_cycle
from epw.core.plan.validate import read_plan


def graph_of(*rows: str) -> TaskGraph:
    """Rows like "c 5 a b": c takes 5 minutes and depends on a and b."""
    split = [row.split() for row in rows]
    return TaskGraph({row[0]: row[2:] for row in split}, {row[0]: float(row[1]) for row in split})


def diamond() -> TaskGraph:
    """The plan's order is not an order to work in: z, the last to run, stands first."""
    return graph_of("z 4 left right", "right 2 top", "left 7 top", "top 1", "alone 3")


def test_tasks_come_after_their_dependencies_and_else_in_the_plan_s_order() -> None:
    assert diamond().topological_order == ["top", "right", "left", "z", "alone"]
    assert graph_of("b 1", "a 1", "c 1").topological_order == ["b", "a", "c"]
    assert graph_of().topological_order == []


def test_a_level_is_the_longest_count_of_dependencies_before_a_task() -> None:
    graph = graph_of("end 1 start late", "start 1", "late 1 middle", "middle 1 start")
    assert graph.level == {"start": 0, "middle": 1, "late": 2, "end": 3}


def test_levels_hold_every_task_in_the_plan_s_order() -> None:
    assert diamond().levels == [["top", "alone"], ["right", "left"], ["z"]]
    assert graph_of().levels == []


def test_a_bottom_level_is_what_remains_from_a_task_s_start_its_own_minutes_among_it() -> None:
    assert diamond().bottom_level == {"z": 4, "right": 6, "left": 11, "top": 12, "alone": 3}


def test_the_critical_path_is_the_longest_by_minutes_not_by_tasks() -> None:
    graph = graph_of("a 1", "b 1 a", "c 1 b", "long 9", "end 2 long")
    assert graph.critical_path == ["long", "end"]
    assert graph.critical_minutes == 11
    assert diamond().critical_path == ["top", "left", "z"]
    assert diamond().critical_minutes == 12


def test_of_equally_long_paths_the_critical_one_goes_by_the_plan_s_order() -> None:
    graph = graph_of("second 2", "first 2", "y 5 first second", "x 5 first second")
    assert graph.critical_path == ["second", "y"]


def test_nothing_takes_no_time() -> None:
    assert (graph_of().critical_path, graph_of().critical_minutes) == ([], 0)


def _paths_from(graph: TaskGraph, task: str) -> Iterator[list[str]]:
    yield [task]
    for after in graph.dependants[task]:
        yield from ([task, *rest] for rest in _paths_from(graph, after))


def test_no_path_of_any_small_graph_is_longer_than_its_critical_one() -> None:
    """All graphs of four tasks in a given order, the minutes powers of two: no two paths are equally long."""
    pairs = list(combinations("abcd", 2))
    for present in product((False, True), repeat=len(pairs)):
        before: dict[str, list[str]] = {task: [] for task in "dbac"}
        for (first, then), there in zip(pairs, present, strict=True):
            if there:
                before[then].append(first)
        graph = TaskGraph(before, {"a": 4, "b": 1, "c": 8, "d": 2})
        paths = [path for task in graph.ids for path in _paths_from(graph, task)]
        assert graph.critical_path == max(paths, key=lambda path: sum(graph.minutes[task] for task in path))
        for task in graph.ids:
            assert graph.level[task] == max(len(path) - 1 for path in paths if path[-1] == task)
            assert graph.descendants([task]) == [
                other for other in graph.ids if any(path[0] == task and path[-1] == other != task for path in paths)
            ]
            assert set(graph.ancestors(task)) == {path[0] for path in paths if path[-1] == task} - {task}
        assert all(graph.topological_order.index(a) < graph.topological_order.index(b) for a, b in graph.edges)


def test_edges_lead_from_a_dependency_to_its_dependant_once_each_in_the_plan_s_order() -> None:
    graph = graph_of("c 1 b a b", "a 1", "b 1 a")
    assert graph.edges == [("b", "c"), ("a", "c"), ("a", "b")]
    assert graph.dependencies == {"c": ["b", "a"], "a": [], "b": ["a"]}
    assert graph.dependants == {"c": [], "a": ["c", "b"], "b": ["c"]}


def test_the_graph_of_a_plan_has_its_tasks_dependencies_and_minutes() -> None:
    rows = [
        {"id": "b", "description": "b", "run": "true", "dependsOn": ["a"], "estimatedMinutes": 3},
        {"id": "a", "description": "a", "run": "true", "estimatedMinutes": 2.5},
    ]
    graph = TaskGraph.of_plan(read_plan({"tasks": rows}))
    assert (graph.ids, graph.edges, graph.minutes) == (["b", "a"], [("a", "b")], {"b": 3, "a": 2.5})


def test_ancestors_are_all_that_a_task_depends_on_once_each_however_far() -> None:
    graph = graph_of("a 1", "b 1 a", "c 1 a b", "d 1 c b", "e 1 d", "other 1")
    assert sorted(graph.ancestors("d")) == ["a", "b", "c"]
    assert graph.ancestors("a") == graph.ancestors("other") == set()


def test_descendants_are_all_that_depend_on_some_tasks_without_these_in_the_plan_s_order() -> None:
    graph = graph_of("e 1 d", "a 1", "b 1 a", "c 1 a b", "d 1 c b", "other 1", "after 1 other")
    assert graph.descendants(["a"]) == ["e", "b", "c", "d"]
    assert graph.descendants(["a", "c"]) == ["e", "b", "d"], "not c, though it depends on a"
    assert graph.descendants(["other", "d"]) == ["e", "after"]
    assert graph.descendants(["e"]) == graph.descendants([]) == []


def test_without_a_cycle_there_is_none_to_tell_of() -> None:
    assert diamond().cycles() == []


def test_a_cycle_is_a_closed_path_along_the_dependencies_from_its_first_task_of_the_plan() -> None:
    graph = graph_of("x 1 q", "m 1 k", "k 1 q z", "z 1 m", "q 1 z")
    # Each before what depends on it: z before q and k, k before m, m before z.
    assert graph.cycles() == [["m", "z", "k", "m"]]
    four = graph_of("d 1 c", "b 1 a", "c 1 b", "a 1 d")
    assert four.cycles() == [["d", "a", "b", "c", "d"]]
    assert graph_of("b 1 a", "a 1 b").cycles() == [["b", "a", "b"]]


def test_a_task_that_depends_on_itself_is_a_cycle() -> None:
    assert graph_of("b 1", "a 1 a b").cycles() == [["a", "a"]]
    assert graph_of("b 1 a", "a 1 b", "c 1 c a").cycles() == [["b", "a", "b"], ["c", "c"]]


def test_of_several_cycles_through_a_task_the_shortest_is_told() -> None:
    graph = graph_of("a 1 d c", "b 1 a", "c 1 b", "d 1 c")
    assert graph.cycles() == [["a", "b", "c", "a"]]


def test_which_cycle_is_told_first_depends_on_its_first_task_alone() -> None:
    graph = graph_of("a 1 b", "c 1 d", "d 1 c", "b 1 a")
    assert graph.cycles() == [["a", "b", "a"], ["c", "d", "c"]]


@pytest.mark.parametrize("names", ["abcdef", "fedcba", "cfaebd"])
def test_separate_cycles_are_told_once_each_in_the_plan_s_order(names: str) -> None:
    """Three pairs that depend on each other, and on the pair before."""
    before = {name: [names[n ^ 1], *names[: n & ~1]] for n, name in enumerate(names)}
    for order in (names, names[::-1]):
        graph = TaskGraph({name: before[name] for name in order}, dict.fromkeys(names, 1.0))
        found = graph.cycles()
        assert [cycle[0] for cycle in found] == list(order[::2])
        assert all(edge in graph.edges for cycle in found for edge in pairwise(cycle))


@pytest.mark.parametrize("length", [3, 12, 13, 40])
def test_a_long_cycle_is_told_by_its_ends_and_how_much_is_between(length: int) -> None:
    cycle = [str(n) for n in range(length)]
    shown = format_cycle(cycle).split(" → ")
    if length <= 12:
        assert shown == cycle
    else:
        assert shown == [*cycle[:6], f"… {length - 12} more …", *cycle[-6:]]
