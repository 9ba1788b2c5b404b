"""Report as plain text, in lines that fit a width."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from epw.core.amounts import count, dollars
from epw.core.report.report import Report, Step, Stretch
from epw.core.report.task_result import TaskResult
from epw.rendering import findings
from epw.rendering.forecast import time_left
from epw.rendering.lanes import Lane, lanes
from epw.rendering.tables import Column, cut_middle, table_text
from epw.rendering.words import duration, moment, printable, status_words

_MAX_ROWS = 200
_MAX_LANES = 60
_WIDEST = 140
"""Columns of a timeline, however wide the terminal is."""
_TASKS = (
    Column("task", is_id=True),
    Column("status"),
    Column("time", rank=2),
    Column("waited", rank=4),
    Column("attempts", rank=5),
    Column("files", rank=3),
    Column("tokens", rank=7),
    Column("cost", rank=6),
)
_SIGNS = {"completed": "█", "running": "▒", "failed": "x", "cancelled": "-", "question": "█", "usage-limit": "█"}


def text(report: Report, width: int) -> str:
    """The text; what agents wrote is made printable."""
    return "\n".join(each.rstrip() for part in _parts(report, width) for each in part.rstrip("\n").split("\n")) + "\n"


def _parts(report: Report, width: int) -> Iterator[str]:
    yield from _head(report, width)
    yield from _timeline(report, width)
    rows = report["result"]["results"]
    shown = rows if len(rows) <= _MAX_ROWS else sorted(rows, key=lambda row: row["success"])[:_MAX_ROWS]
    yield _heading("Tasks")
    yield table_text("", _TASKS, map(_task, shown), width)
    if len(rows) > len(shown):
        yield f"and {len(rows) - len(shown)} more: `epw status {printable(report['executionId'])} --json` has all"
    yield from _list("Not succeeded", [f"{row['taskId']}: {why}" for row in rows if (why := findings.why(row))], width)
    yield from _conflicts(report, width)
    yield from _questions(report, width)
    if steering := report["result"]["steering"]:
        yield _heading("Changed while it ran")
        for change in steering:
            by = f" by {change['by']}" if change["by"] else ""
            yield _prose(f"{moment(change['at'])}{by}: {findings.steered(change)}: {change['outcome']}", width)
    if speed := findings.speed(report):
        yield _heading("Speed")
        waits = [(f"waited {each.name}", each.value, each.meaning) for each in findings.waited(report)]
        yield table_text("", ["", "measured", Column("how to read it", rank=1)], [*speed, *waits], width)
    if models := findings.spending(report):
        yield _heading("Cost")
        columns = (Column("model", is_id=True), "tasks", Column("calls", rank=1), "input", "output", "cost")
        cells = ([*each[:-1], None if each.cost is None else dollars(each.cost)] for each in models)
        yield table_text("", columns, cells, width)
    yield from _list("Limits that were hit", findings.limits(report), width)
    yield from _list("Warnings", findings.warnings(report), width)
    yield from _steps("Next", report["next"], width)
    yield from _steps("To undo", report["undo"], width)


def _head(report: Report, width: int) -> Iterator[str]:
    result, counts = report["result"], findings.counts(report)
    so_far = f", as of {moment(report['madeAt'])}" if findings.is_open(report) else ""
    yield _prose(f"{findings.title(report)}: {status_words(result['status'])}{so_far}", width)
    by_status = ", ".join(f"{number} {status}" for status, number in counts.items())
    lines = [f"execution {report['executionId']}, started {moment(report['startedAt'])}"]
    lines.append(f"{count(len(result['results']), 'task')}: {by_status}")
    if "error" in result:
        lines.append(f"{result['error']['type']}: {result['error']['message']}")
    if "soFar" in result:
        how_far = f"{result['soFar']['percent']:.0f} % after {duration(result['soFar']['elapsedMs'])}"
        lines.append(", ".join(filter(None, (how_far, time_left(result["soFar"])))))
    lines.append(f"delivered: {findings.delivered(report)}")
    verdict, command = findings.verified(report)
    lines.append(f"verify: {verdict} ({command})")
    if spent := findings.cost(report):
        lines.append(f"cost: {spent}")
    if result["metrics"] is not None and (path := result["metrics"]["criticalPath"]):
        lines.append(f"critical path: {' → '.join(path)}")
    yield from (_prose(line, width) for line in lines)


def _timeline(report: Report, width: int) -> Iterator[str]:
    found = lanes(report)
    if found:
        yield _heading("Timeline")
        names = min(20, max(len(each.name) for each in found))
        room = min(width, _WIDEST) - names - 3
        ends = f"0{duration(found[0].total):>{room - 1}}"
        yield f"{'':{names}}  {ends}"
        for lane in found[:_MAX_LANES]:
            yield f"{cut_middle(lane.name, names):{names}} │{_line(lane, room)}│"
        if len(found) > _MAX_LANES:
            yield f"and {len(found) - _MAX_LANES} lines more"
        yield "█ done  x failed  - cancelled  ▒ running; waits: ~"


def _line(lane: Lane, room: int) -> str:
    cells = [" "] * room
    for bar in lane.bars:
        start = min(room - 1, int(bar.start / lane.total * room))
        end = max(start + 1, min(room, round(bar.end / lane.total * room)))
        cells[start:end] = [_sign(bar.stretch)] * (end - start)
    return "".join(cells)


def _sign(stretch: Stretch) -> str:
    return "~" if stretch["lane"] == "wait" else _SIGNS.get(stretch["what"], "█")


def _task(row: TaskResult) -> list[object]:
    files, used = row["filesModified"], row["usage"]
    waited = sum(ms for ms in row["waitedMs"].values() if isinstance(ms, int))
    return [
        row["taskId"],
        status_words(row["status"]) + (f" ({row['waitingFor']})" if row.get("waitingFor") else ""),
        duration(row["duration"]) if row["duration"] else None,
        duration(waited) if waited else None,
        row["attempts"] if row["attempts"] > 1 else None,
        None if files is None else len(files),
        used["inputTokens"] + used["outputTokens"] or None,
        dollars(used["costUSD"]) if used["costUSD"] else None,
    ]


def _conflicts(report: Report, width: int) -> Iterator[str]:
    if found := findings.conflicts(report):
        yield _heading("Conflicts")
        for each in found:
            yield _prose(f"{each['id']} [{each['kind']}] {each['description']}: {findings.deciders(each)}", width)


def _questions(report: Report, width: int) -> Iterator[str]:
    if found := report["result"]["questions"]:
        yield _heading("Questions")
        for each in found:
            answer = "no answer" if each["answer"] is None else each["answer"]
            waited = f" (after {duration(each['answeredAt'] - each['askedAt'])})" if each["answeredAt"] else ""
            yield _prose(f"{each['taskId']}: {each['text']} → {answer}{waited}", width)


def _list(heading: str, lines: list[str], width: int) -> Iterator[str]:
    if lines:
        yield _heading(heading)
        yield from (_prose(each, width) for each in lines[:_MAX_ROWS])


def _steps(heading: str, steps: Iterable[Step], width: int) -> Iterator[str]:
    known = list(steps)
    if known:
        yield _heading(heading)
        longest = max(len(each["command"]) for each in known)
        for each in known:
            # A command stays in one line, so that it can be copied.
            has_room = longest + len(each["purpose"]) + 4 <= width
            yield printable(
                f"  {each['command']:<{longest}}  {each['purpose']}" if has_room else f"  {each['command']}"
            )


def _heading(words: str) -> str:
    return f"\n{words}\n{'─' * len(words)}"


def _prose(line: str, width: int) -> str:
    flat = printable(" ".join(line.split()))
    return textwrap.fill(flat, width, subsequent_indent="  ", break_on_hyphens=False)
