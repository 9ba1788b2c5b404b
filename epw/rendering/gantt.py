"""Timeline as a picture: positions of its bars in percent, so that text keeps its size at any width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from epw.core.report.report import Report, Stretch
from epw.rendering.lanes import Lane, lanes
from epw.rendering.words import WAITS, duration

_HEIGHTS = ((30, 24), (90, 14), (300, 8), (10_000, 3))
"""Most lanes, and how high each is then, in pixels."""
_ROOM_FOR_TEXT = 18
_WIDE_ENOUGH = 2.4
"""Percent of the timeline below which a bar has no name."""
_TICKS = 6
_ROUND = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 43_200, 86_400)
WHAT = {
    "completed": "done",
    "failed": "failed",
    "cancelled": "cancelled",
    "running": "running",
    "question": "done, up to a question",
    "usage-limit": "done, up to a usage limit",
    "budget-limit": "done, up to the budget",
    "prepare": "snapshot",
    "land": "merge",
    "check": "check of a merge",
    "verify": "verify",
    "deliver": "delivery",
    "roll_back": "undo",
}
"""Words by `Stretch.what`, of attempts and of steps of `epw`."""
_LOOKS = {"failed": "failed", "cancelled": "cancelled", "running": "running", "roll_back": "failed"}


@dataclass(frozen=True)
class PlacedBar:
    """A bar: place in percent of the width, look (a class of the page's style), texts."""

    x: float
    width: float
    look: str
    label: str
    told: str
    """All of it in words, where a pointer rests on it."""
    target: str
    """Anchor of its task; empty without one."""
    held: float
    """Percent of the bar that is a wait for rate limits or memory; which part of it is not known."""


@dataclass(frozen=True)
class PlacedLane:
    name: str
    kind: str
    y: int
    bars: list[PlacedBar]


@dataclass(frozen=True)
class Tick:
    x: float
    label: str


@dataclass(frozen=True)
class Gantt:
    """The picture: heights in pixels, the rest in percent."""

    lanes: list[PlacedLane]
    ticks: list[Tick]
    lane_height: int
    height: int
    looks: list[tuple[str, str]]
    """Looks that occur, and what each means."""

    @property
    def has_text(self) -> bool:
        return self.lane_height >= _ROOM_FOR_TEXT


def gantt(report: Report, anchors: Mapping[str, str]) -> Gantt | None:
    """The picture; None where nothing has happened. `anchors`: by task id."""
    found = lanes(report)
    if not found:
        return None
    height = next(pixels for most, pixels in _HEIGHTS if len(found) <= most)
    placed = [_placed(lane, place * height, anchors) for place, lane in enumerate(found)]
    seen = {bar.look for lane in placed for bar in lane.bars} | {"held" for lane in placed for b in lane.bars if b.held}
    looks = [(look, words) for look, words in _LEGEND.items() if look in seen]
    return Gantt(placed, ticks(found[0].total), height, len(found) * height, looks)


_LEGEND = {
    "done": "an agent at work",
    "failed": "an attempt that failed",
    "cancelled": "cancelled",
    "running": "goes on",
    "held": "of that, waiting for a rate limit or memory",
    "epw": "epw: snapshot, delivery",
    "land": "epw: merging",
    "verify": "epw: checks and verify",
    **{f"wait-{kind}": f"waits {words}" for kind, words in WAITS.items()},
}


def _placed(lane: Lane, y: int, anchors: Mapping[str, str]) -> PlacedLane:
    bars = []
    for bar in lane.bars:
        each, width = bar.stretch, max(0.0, bar.end - bar.start)
        held = each["rateLimitMs"] + each["resourcesMs"]
        percent = 100 * width / lane.total
        label = each["taskId"] or WHAT.get(each["what"], each["what"])
        bars.append(
            PlacedBar(
                x=round(100 * bar.start / lane.total, 3),
                width=round(max(percent, 0.15), 3),
                look=look(each),
                label=label if percent >= _WIDE_ENOUGH else "",
                told=_told(each, bar.start, bar.end, goes_on=bar.goes_on),
                target=anchors.get(each["taskId"] or "", ""),
                held=round(min(100.0, 100 * held / width), 1) if held and width else 0.0,
            )
        )
    return PlacedLane(lane.name, lane.kind, y, bars)


def look(each: Stretch) -> str:
    """How a stretch is drawn."""
    if each["lane"] == "wait":
        return f"wait-{each['what']}"
    if each["what"] in _LOOKS:
        return _LOOKS[each["what"]]
    if each["lane"] == "epw":
        return {"land": "land", "check": "verify", "verify": "verify"}.get(each["what"], "epw")
    return "done"


def told(each: Stretch) -> str:
    """What a stretch is, in words."""
    if each["lane"] == "wait":
        return f"waited {WAITS.get(each['what'], each['what'])}"
    return WHAT.get(each["what"], each["what"])


def _told(each: Stretch, start: float, end: float, *, goes_on: bool) -> str:
    attempt = f", attempt {each['attempt']}" if (each["attempt"] or 1) > 1 else ""
    name = f"{each['taskId']}{attempt}: " if each["taskId"] else ""
    until = "goes on" if goes_on else f"for {duration(end - start)}"
    return f"{name}{told(each)}, from {duration(start)} {until}"


def ticks(total: float) -> list[Tick]:
    """Marks at round times, in milliseconds of the whole."""
    seconds = total / 1000
    step: float = next(
        (each for each in _ROUND if seconds / each <= _TICKS), 86_400 * max(1, round(seconds / 86_400 / 5))
    )
    if seconds < _ROUND[0]:
        step = seconds / 2
    return [
        Tick(round(100 * number * step / seconds, 3), _tick(number * step)) for number in range(int(seconds / step) + 1)
    ]


def _tick(seconds: float) -> str:
    return (
        "0"
        if not seconds
        else duration(seconds * 1000)
        if seconds < 3600 or seconds % 3600
        else f"{seconds / 3600:g} h"
    )


def in_order(stretches: Sequence[Stretch]) -> list[Stretch]:
    """Rows of the table beside the picture: agents' and waits."""
    return [each for each in stretches if each["lane"] != "epw"]
