"""Graphs of uneven tasks, the same for every contestant."""

from __future__ import annotations

import random

from epw.core.plan.graph import TaskGraph


def layered(count: int, width: int, seed: int, mean: float = 1.0) -> TaskGraph:
    """Tasks of 0.4 to 1.6 × mean seconds in layers, each after one or two of the layer before."""
    draw = random.Random(seed)
    dependencies: dict[str, list[str]] = {}
    for number in range(count):
        layer = number // width
        before = [f"t{n}" for n in range((layer - 1) * width, layer * width)] if layer else []
        dependencies[f"t{number}"] = sorted(draw.sample(before, min(len(before), draw.randint(1, 2))))
    return TaskGraph(dependencies, {task: round(mean * draw.uniform(0.4, 1.6), 3) for task in dependencies})


def independent(count: int, seed: int, mean: float = 1.0) -> TaskGraph:
    """Tasks without dependencies."""
    return layered(count, count, seed, mean)


def fan(count: int, seed: int, mean: float = 1.0) -> TaskGraph:
    """A root, independent middles, a join."""
    graph = independent(count, seed, mean)
    middle = graph.ids[1:-1]
    edges = {graph.ids[0]: [], **{task: [graph.ids[0]] for task in middle}, graph.ids[-1]: middle}
    return TaskGraph(edges, graph.minutes)
