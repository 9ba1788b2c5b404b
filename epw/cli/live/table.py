"""Table of tasks, a row each: columns that fit the width, the others left out by their rank."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from epw.cli.layout import cut_middle, duration
from epw.cli.live.lines import ASKS, BAD, BOLD, DIM, GOOD, LIVE, SELECTED, Part, amount, bar, cells, line
from epw.cli.live.snapshot import Snapshot
from epw.cli.output import printable
from epw.cli.show_running import waits_for
from epw.core.amounts import dollars
from epw.core.messages import AgentProgress
from epw.core.report.task_result import TaskResult

MARKS = {
    "running": ("▶", LIVE),
    "waiting": ("◷", ""),
    "succeeded": ("✓", GOOD),
    "failed": ("✗", BAD),
    "conflicted": ("✗", BAD),
    "cancelled": ("■", DIM),
    "skipped": ("–", DIM),
    "ready": ("›", ""),
    "pending": ("·", DIM),
}
_MIN_TASK, _MAX_TASK, _MIN_NOW = 12, 44, 10


@dataclass(frozen=True)
class _Known:
    """A task with everything that a cell may need."""

    row: TaskResult
    live: AgentProgress | None
    snapshot: Snapshot
    passed: int
    """Milliseconds since the snapshot."""


@dataclass(frozen=True)
class _Column:
    name: str
    size: int
    """Cells; below 0: to the right; 0: what is left."""
    rank: int
    """The highest goes first where there is no room; 0: stays."""
    value: Callable[[_Known], str]


def mark_of(row: TaskResult) -> tuple[str, str]:
    """Sign and style of a task's state."""
    if row.get("waitingFor") == "question":
        return "?", ASKS
    return MARKS.get(row["status"], ("·", ""))


def _state(known: _Known) -> str:
    row = known.row
    if row.get("waitingFor") == "question":
        own = [each for each in known.snapshot.waiting if each.task_id == row["taskId"]]
        return f"asks: {own[0].id}" if own else "asks"
    attempt = f" #{row['attempts']}" if row["attempts"] > 1 and row["status"] == "running" else ""
    return (waits_for(row) if row.get("waitingFor") else row["status"]) + attempt


def _done(known: _Known) -> str:
    percent = known.live.percent if known.live is not None else None
    return "" if percent is None or known.row["status"] != "running" else f"{bar(percent, 4)} {percent:3.0f}%"


def _left(known: _Known) -> str:
    eta = known.snapshot.numbers.get("eta")
    left = eta["tasks"].get(known.row["taskId"]) if eta is not None else None
    if known.row["status"] != "running" or left is None:
        return ""
    return f"~{duration(max(0, left - known.passed))}"


def _elapsed(known: _Known) -> str:
    if known.row["status"] == "running":
        elapsed = known.live.elapsed_ms if known.live is not None else None
        return "" if elapsed is None else duration(elapsed + known.passed)
    return duration(known.row["duration"]) if known.row["duration"] else ""


def _now(known: _Known) -> str:
    row, live = known.row, known.live
    if row["status"] == "running":
        simulated = " (simulated)" if live is not None and live.simulated else ""
        return f"{(live.operation if live is not None else None) or ''}{simulated}"
    if row["error"] is not None and row["status"] not in ("succeeded", "running"):
        return f"{row['error']['type']}: {row['error']['message']}"
    return row["summary"] or ""


def _files(known: _Known) -> str:
    if known.row["status"] == "running":
        return str(len(known.live.files)) if known.live is not None and known.live.files else ""
    return str(len(known.row["filesModified"])) if known.row["filesModified"] else ""


def _tokens(known: _Known) -> str:
    used = known.row["usage"]["inputTokens"] + known.row["usage"]["outputTokens"]
    used = max(used, (known.live.tokens if known.live is not None else None) or 0)
    return amount(used) if used else ""


def _cost(known: _Known) -> str:
    cost = max(known.row["usage"]["costUSD"] or 0, (known.live.cost_usd if known.live is not None else None) or 0)
    return dollars(cost) if cost else ""


def _memory(known: _Known) -> str:
    used = known.live.memory_mb if known.live is not None else known.row["peakMemoryMB"]
    return "" if used is None else f"{used:.0f}M"


def _cpu(known: _Known) -> str:
    percent = known.snapshot.cpu.get(known.row["taskId"])
    return "" if percent is None or known.row["status"] != "running" else f"{percent:.0f}%"


_COLUMNS = (
    _Column("task", 0, 0, lambda known: known.row["taskId"]),
    _Column("state", 12, 0, _state),
    _Column("done", 9, 2, _done),
    _Column("left", -11, 1, _left),
    _Column("time", -10, 7, _elapsed),
    _Column("files", -5, 5, _files),
    _Column("tokens", -6, 6, _tokens),
    _Column("cost", -7, 4, _cost),
    _Column("mem", -6, 8, _memory),
    _Column("cpu", -5, 9, _cpu),
    _Column("agent", 9, 10, lambda known: known.row["agentId"] or ""),
    _Column("now", 0, 3, _now),
)


def table(snapshot: Snapshot, selected: str | None, width: int, height: int, passed: int) -> list[Text]:
    """A head and the rows around the selected task, in so many lines; `passed`: milliseconds since the snapshot."""
    if height < 2:
        return []
    rows, room = snapshot.rows, height - 1
    at = next((n for n, row in enumerate(rows) if row["taskId"] == selected), 0)
    first = 0 if at < room else at - room + 1
    shown = rows[first : first + room]
    columns, sizes = _fitted(shown, width)
    place = f"{first + 1}–{first + len(shown)}/{len(rows)}" if len(rows) > room else "now"
    titles = [place if each.name == "now" else each.name for each in columns]
    names = [(title, size, BOLD) for title, size in zip(titles, sizes, strict=True)]
    made = [line("  ", *cells(names), width=width)]
    for row in shown:
        known = _Known(row, snapshot.live.get(row["taskId"]), snapshot, passed)
        made.append(_line(known, columns, sizes, width, is_selected=row["taskId"] == selected))
    return made


def _line(known: _Known, columns: Sequence[_Column], sizes: Sequence[int], width: int, *, is_selected: bool) -> Text:
    sign, style = mark_of(known.row)
    values = []
    for column, size in zip(columns, sizes, strict=True):
        text = column.value(known)
        if column.name == "task":
            text = cut_middle(printable(text), size) if cell_len(text) > size else text
        values.append((text, size, style if column.name == "state" else ""))
    parts: list[Part] = [(sign, style), ">" if is_selected else " ", *cells(values)]
    made = line(*parts, width=width)
    if is_selected:
        made.stylize(SELECTED)
    return made


def _fitted(rows: Sequence[TaskResult], width: int) -> tuple[list[_Column], list[int]]:
    """The columns that fit, and their cells."""
    longest = max([len("task"), *(cell_len(row["taskId"]) for row in rows)])
    least = min(longest, _MIN_TASK)
    kept = list(_COLUMNS)

    def needed() -> int:
        sizes = [{"task": least, "now": _MIN_NOW}.get(each.name, abs(each.size)) for each in kept]
        return 2 + sum(sizes) + len(kept) - 1

    while needed() > width and (droppable := [each for each in kept if each.rank]):
        kept.remove(max(droppable, key=lambda each: each.rank))
    free = max(0, width - needed())
    task = least + min(free, min(longest, _MAX_TASK) - least)
    now = _MIN_NOW + free - (task - least)
    return kept, [{"task": task, "now": now}.get(each.name, each.size) for each in kept]
