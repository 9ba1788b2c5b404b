"""The graphs and durations of the comparison, and what is made of the seconds: medians, efficiency, tables."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.graphs import fan, independent, layered
from benchmarks.peers.contestants import CONTESTANTS
from benchmarks.peers.protocol import Graph
from epw.core.plan.graph import TaskGraph
from epw.core.schedule.prediction import makespan, predict

AGENTS, TASKS = 10, 50
SHAPES = {"independent": independent(TASKS, 2), "layered": layered(TASKS, 12, 1), "fan": fan(TASKS, 3)}
DURATIONS: dict[str, float | None] = {"no-op": 0.0, "0.1 s": 0.1, "~1 s": None}
"""Seconds of every task; None: as the shape has them, 0.4 to 1.6."""


@dataclass(frozen=True)
class Cell:
    """A graph of which each contestant says its seconds."""

    name: str
    graph: Graph
    ideal: float
    """Seconds of the list schedule; 0 for tasks that take no time."""

    def score(self, seconds: Sequence[float]) -> float:
        """Of the median: the efficiency; of tasks that take no time, milliseconds a task."""
        median = statistics.median(seconds)
        return round(self.ideal / median, 3) if self.ideal else round(median * 1000 / len(self.graph.seconds), 2)


def cells() -> list[Cell]:
    found = []
    for duration, seconds in DURATIONS.items():
        for shape, drawn in SHAPES.items():
            each = drawn.minutes if seconds is None else dict.fromkeys(drawn.ids, seconds)
            graph = TaskGraph(drawn.dependencies, each)
            ideal = makespan(predict(graph, AGENTS)) if seconds != 0 else 0.0
            document = Graph(dict(graph.dependencies), dict(each), dict(graph.bottom_level), AGENTS)
            found.append(Cell(f"{shape}, {duration}", document, ideal))
    return found


def scores(found: Mapping[str, Sequence[Sequence[float]]], of: Sequence[Cell]) -> dict[str, dict[str, float]]:
    """By contestant and cell, from the seconds of each round."""
    return {
        name: {cell.name: cell.score(seconds) for cell, seconds in zip(of, zip(*rounds, strict=True), strict=True)}
        for name, rounds in found.items()
        if rounds
    }


def markdown(result: Mapping[str, Any]) -> str:
    """Two tables of a result document: the scores, and what each contestant is."""
    names = list(next(iter(result["scores"].values())))
    lines = [f"| | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    lines += [f"| {name} | {' | '.join(map(str, row.values()))} |" for name, row in result["scores"].items()]
    lines += ["", "| | versions | survives a kill -9 | load |", "|---|---|---|---|"]
    for each in CONTESTANTS:
        if each.name in result["scores"]:
            versions = ", ".join(f"{package} {one}" for package, one in result["versions"][each.name].items())
            low, high = min(result["load"][each.name]), max(result["load"][each.name])
            lines.append(f"| {each.name} | {versions or '–'} | {each.survives} | {low} – {high} |")
    lines += [f"\n{name}: not measured: {why}" for name, why in result["skipped"].items()]
    return "\n".join([*lines, ""])
