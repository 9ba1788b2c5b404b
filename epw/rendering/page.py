"""Report as a page: one HTML file without scripts, which loads nothing and says so to the browser."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from epw.core.amounts import count, dollars, few
from epw.core.report.model import ConflictResult
from epw.core.report.report import Report
from epw.rendering import findings, gantt, words
from epw.rendering.diff_markup import diff_markup
from epw.rendering.forecast import time_left
from epw.rendering.graph_picture import graph_picture

_MAX_WITH_HUNKS = 60
_MAX_HUNKS = 12
_MAX_FILES = 100
_MAX_COLOURED_LINES = 4_000
"""Of all changes: the page of a large execution stays small, and is made quickly."""
GOOD, BAD = ("succeeded",), ("failed", "rolled_back", "undelivered", "rollback_failed", "conflicted", "terminated")


def page(report: Report) -> str:
    """The page; what agents wrote is text in it, never markup."""
    rows = report["result"]["results"]
    anchors = {row["taskId"]: f"task-{number}" for number, row in enumerate(rows, 1)}
    has_colours = sum(each["shown"] for each in report["diffs"]) <= _MAX_COLOURED_LINES
    style = Markup(files("epw.rendering").joinpath("templates/style.css").read_text(encoding="utf-8"))
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            report=report,
            result=report["result"],
            rows=rows,
            plans=findings.planned(report),
            anchors=anchors,
            diffs={each["taskId"]: {**each, "markup": _markup(each["text"], has_colours)} for each in report["diffs"]},
            gantt=gantt.gantt(report, anchors),
            graph=graph_picture(report, anchors),
            style=style,
            policy=_policy(style),
            bars=list(_speed_bars(report)),
        )
    )


@cache
def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("epw.rendering"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    named = (words.duration, words.moment, count, dollars, time_left, few, words.status_words)
    found.globals |= {each.__name__: each for each in named}
    found.globals |= {"findings": findings, "told": gantt.told, "in_order": gantt.in_order, "tone": _tone}
    found.globals |= {"sides": _sides, "WAITS": words.WAITS, "MAX_FILES": _MAX_FILES}
    found.globals |= {"MAX_WITH_HUNKS": _MAX_WITH_HUNKS, "MAX_HUNKS": _MAX_HUNKS}
    return found


def _markup(text: str | None, has_colours: bool) -> Markup:
    return diff_markup(text or "", has_colours=has_colours)


def _finalized(value: Any) -> Any:
    """What the templates print: text with what would not be seen written out; None is a mistake in them."""
    return words.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _policy(style: str) -> str:
    """What the page may load: nothing, but for its own style, known by its hash. No script runs in it."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    allowed = f"style-src 'sha256-{digest}'; img-src data:"
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"


def _tone(status: str) -> str:
    """Class of a status; its sign and words say the same."""
    return "good" if status in GOOD else "bad" if status in BAD else "open"


def _sides(conflict: ConflictResult) -> Iterator[tuple[str, str, str, str]]:
    """Of each hunk where it is, what has landed there, what the task has, and what was there before."""
    for hunk in conflict["hunks"][:_MAX_HUNKS]:
        place = f"{hunk.get('path', '')}:{hunk['line']}" if hunk.get("line") else str(hunk.get("path", ""))
        what = f" ({hunk['what']})" if hunk.get("what") else ""
        yield f"{place}{what}", _side(hunk.get("ours")), _side(hunk.get("theirs")), _side(hunk.get("base"))


def _side(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value.get('size', '?')} bytes"
    return "(nothing)" if value in (None, "") else str(value).rstrip("\n")


def _speed_bars(report: Report) -> Iterator[tuple[str, str, float]]:
    """Times beside each other: name, time, percent of the longest."""
    metrics = report["result"]["metrics"]
    if metrics is None or not metrics["sequentialDuration"]:
        return
    times = {"one after another": metrics["sequentialDuration"], "actual": metrics["totalDuration"]}
    if metrics["scheduleDuration"] is not None:
        times["optimal on these agents"] = metrics["scheduleDuration"]
    longest = max(times.values())
    for name, time in times.items():
        yield name, words.duration(time), round(100 * time / longest, 1)
