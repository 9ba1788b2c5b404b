"""Lanes of a timeline: what each agent did when, what `epw` did, and what waited without an agent."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from epw.core.report.report import Report, Stretch

_STEPS = ("prepare", "land", "check", "verify", "deliver", "roll_back")
"""Activities of `epw` that are shown; the others take no time to speak of."""


@dataclass
class Bar:
    """A stretch, from its beginning to its end in milliseconds since the start of the execution."""

    stretch: Stretch
    start: float
    end: float
    goes_on: bool


@dataclass
class Lane:
    """A row of a timeline, whose bars do not overlap."""

    name: str
    kind: str
    """As `Stretch.lane`."""
    total: float
    """Length of the timeline in milliseconds."""
    bars: list[Bar] = field(default_factory=list)


def lanes(report: Report) -> list[Lane]:
    """The lanes of `epw`, of the agents by number, and of waits; empty where nothing has happened."""
    begin, end = report["startedAt"], report["endedAt"] or report["madeAt"]
    shown = [each for each in report["timeline"] if each["lane"] != "epw" or each["what"] in _STEPS]
    ends = [each["end"] for each in shown if each["end"] is not None]
    total = float(max(1, max([end, *ends]) - begin))

    def bars(stretches: Iterable[Stretch]) -> list[Bar]:
        found = []
        for each in stretches:
            until = begin + total if each["end"] is None else each["end"]
            found.append(Bar(each, max(0.0, each["start"] - begin), max(0.0, until - begin), each["end"] is None))
        return found

    agents = dict[str, list[Stretch]]()
    for each in shown:
        if each["lane"] == "agent":
            agents.setdefault(each["agentId"] or "agent", []).append(each)
    found = _packed("epw", "epw", total, bars(each for each in shown if each["lane"] == "epw"))
    for name in sorted(agents, key=_by_number):
        # One task at a time, but for what a lost worker left open.
        found += _packed(name, "agent", total, bars(agents[name]))
    return found + _packed("waiting", "wait", total, bars(each for each in shown if each["lane"] == "wait"))


def _packed(name: str, kind: str, total: float, bars: list[Bar]) -> list[Lane]:
    """As few lanes as hold the bars, which are in order of their beginnings; the first has the name."""
    found: list[Lane] = []
    for bar in bars:
        free = next((lane for lane in found if lane.bars[-1].end <= bar.start), None)
        if free is None:
            free = Lane(name if not found else "", kind, total)
            found.append(free)
        free.bars.append(bar)
    return found


def _by_number(name: str) -> tuple[int, str]:
    number = re.search(r"\d+$", name)
    return int(number[0]) if number else 0, name
