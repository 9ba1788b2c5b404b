"""Graph of the tasks as a picture: columns by level, rows that keep edges short, the critical path on top."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from epw.core.report.report import Report
from epw.rendering.tables import cut_middle
from epw.rendering.words import STATUSES

_MAX_NAMED = 90
"""Tasks above which the picture has dots in place of names."""
_MAX_EDGES = 6000
_SWEEPS = 4
_SIZES = ((7, (118.0, 24.0, 156.0, 34.0)), (10_000, (98.0, 24.0, 114.0, 34.0)))
"""Most levels, and then width and height of a node, distance of columns and of rows, in pixels."""
_DOT, _MOST_ROWS, _ROOM = 9.0, 48, 1100.0
"""Size of a dot, how many stand above each other, and the width in which they are spread."""
_PIXELS_PER_LETTER = 7


Corner = tuple[str, str, int]
"""Place in a column through which an edge runs that is longer than one level: its ends, and the level."""
Place = str | Corner


class _Layout(NamedTuple):
    """Upper left corners of the nodes and bends, and the size of a node, in pixels."""

    places: Mapping[Place, tuple[float, float]]
    width: float
    height: float


@dataclass(frozen=True)
class Node:
    x: float
    y: float
    name: str
    """Cut to what fits; empty for a dot."""
    told: str
    sign: str
    status: str
    target: str
    is_critical: bool


@dataclass(frozen=True)
class Edge:
    path: str
    """`d` of an SVG path."""
    is_critical: bool


@dataclass(frozen=True)
class GraphPicture:
    """The picture, in pixels."""

    nodes: list[Node]
    edges: list[Edge]
    width: float
    height: float
    node_width: float
    node_height: float
    left_out: int
    """Edges that are not drawn: there are too many."""


def graph_picture(report: Report, anchors: Mapping[str, str]) -> GraphPicture | None:
    """The picture; None where no task depends on another."""
    rows = {row["taskId"]: row for row in report["result"]["results"]}
    before = {
        each["taskId"]: [name for name in each["dependsOn"] if name in rows]
        for each in report["plan"]["tasks"]
        if each["taskId"] in rows
    }
    if not any(before.values()):
        return None
    levels = _levels(before)
    is_small = len(before) <= _MAX_NAMED
    columns, chains = _columns(before, levels, has_corners=is_small)
    layout = _named(columns) if is_small else _dots(columns)
    places, width, height = layout.places, layout.width, layout.height
    metrics = report["result"]["metrics"]
    critical = metrics["criticalPath"] if metrics is not None else []
    on_path = set(itertools.pairwise(critical))
    edges = [
        Edge(_path([places[each] for each in chain], width, height), ends in on_path)
        for ends, chain in list(chains.items())[:_MAX_EDGES]
    ]
    nodes = [
        Node(
            *places[name],
            name=cut_middle(name, int(width - 26) // _PIXELS_PER_LETTER + 2) if is_small else "",
            told=f"{name}: {row['status']}" + (", on the critical path" if name in critical else ""),
            sign=STATUSES.get(row["status"], ("", ""))[0],
            status=row["status"],
            target=anchors.get(name, ""),
            is_critical=name in critical,
        )
        for name, row in rows.items()
        if name in before
    ]
    return GraphPicture(
        nodes,
        sorted(edges, key=lambda each: each.is_critical),
        max(x for x, _ in places.values()) + width,
        max(y for _, y in places.values()) + height,
        width,
        height,
        max(0, len(chains) - _MAX_EDGES),
    )


def _named(columns: Sequence[Sequence[Place]]) -> _Layout:
    """A row a task, each level centred."""
    width, height, across, down = next(size for most, size in _SIZES if len(columns) <= most)
    tallest = max(map(len, columns))
    places = {
        name: (level * across, (index + (tallest - len(column)) / 2) * down)
        for level, column in enumerate(columns)
        for index, name in enumerate(column)
    }
    return _Layout(places, width, height)


def _dots(columns: Sequence[Sequence[Place]]) -> _Layout:
    """Dots, in as many columns a level as it needs to be no taller than the others."""
    found: dict[Place, tuple[float, float]] = {}
    parts = [-(-len(column) // _MOST_ROWS) for column in columns]
    tallest = max(-(-len(column) // each) for column, each in zip(columns, parts, strict=True))
    gap = min(70.0, max(22.0, (_ROOM - sum(parts) * _DOT * 1.5) / len(columns)))
    left = 0.0
    for column, each in zip(columns, parts, strict=True):
        rows = -(-len(column) // each)
        for index, name in enumerate(column):
            part, row = index % each, index // each
            found[name] = left + part * _DOT * 1.5, (row + (tallest - rows) / 2) * _DOT * 1.4
        left += each * _DOT * 1.5 + gap
    return _Layout(found, _DOT, _DOT)


def _levels(before: Mapping[str, list[str]]) -> dict[str, int]:
    """Level by task: the most edges on a way to it. Acyclic, since it has run."""
    found: dict[str, int] = {}
    waiting = dict(before)
    while waiting:
        ready = [name for name, names in waiting.items() if all(each in found for each in names)]
        if not ready:
            return {**found, **dict.fromkeys(waiting, 0)}
        for name in ready:
            found[name] = max((found[each] + 1 for each in waiting.pop(name)), default=0)
    return found


def _columns(
    before: Mapping[str, list[str]], levels: Mapping[str, int], *, has_corners: bool
) -> tuple[list[list[Place]], dict[tuple[str, str], list[Place]]]:
    """Order within each level, by the mean place of the neighbours (Sugiyama), and the places of each edge.

    `has_corners`: edges that skip levels run through places of their own, past the tasks there.
    """
    columns: list[list[Place]] = [[] for _ in range(max(levels.values()) + 1)]
    for name, level in levels.items():
        columns[level].append(name)
    chains: dict[tuple[str, str], list[Place]] = {}
    to_left: dict[Place, list[Place]] = {}
    to_right: dict[Place, list[Place]] = {}
    for name, names in before.items():
        for each in names:
            between = range(levels[each] + 1, levels[name]) if has_corners else range(0)
            corners: list[Place] = [(each, name, level) for level in between]
            for corner, level in zip(corners, between, strict=True):
                columns[level].append(corner)
            chains[each, name] = chain = [each, *corners, name]
            for left, right in itertools.pairwise(chain):
                to_left.setdefault(right, []).append(left)
                to_right.setdefault(left, []).append(right)
    for sweep in range(_SWEEPS):
        neighbours, order = (to_left, columns) if sweep % 2 == 0 else (to_right, columns[::-1])
        for fixed, column in itertools.pairwise(order):
            _sort(column, {place: index for index, place in enumerate(fixed)}, neighbours)
    return columns, chains


def _sort(column: list[Place], fixed: Mapping[Place, int], neighbours: Mapping[Place, list[Place]]) -> None:
    means = {}
    for index, place in enumerate(column):
        known = [fixed[each] for each in neighbours.get(place, ()) if each in fixed]
        means[place] = sum(known) / len(known) if known else float(index)
    column.sort(key=means.__getitem__)


def _path(points: list[tuple[float, float]], width: float, height: float) -> str:
    """A smooth line from the right of the first place to the left of the last, through those between."""
    middle = height / 2
    x, y = points[0][0] + width, points[0][1] + middle
    parts = [f"M{x:g} {y:g}"]
    for place, (left, top) in enumerate(points[1:], 1):
        to_x, to_y = left, top + middle
        bend = (to_x - x) / 2
        parts.append(f"C{x + bend:g} {y:g} {to_x - bend:g} {to_y:g} {to_x:g} {to_y:g}")
        x, y = to_x, to_y
        if place < len(points) - 1:
            x = left + width
            parts.append(f"H{x:g}")
    return "".join(parts)
