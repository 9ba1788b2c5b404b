"""An execution that goes on, for people: how far it is, who does what, what waits and what answers it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from epw.cli.layout import Column, duration, prose, table
from epw.core.amounts import count, dollars
from epw.core.execution.task_state import TERMINAL
from epw.core.messages import AgentProgress
from epw.core.report.model import ExecutionResult
from epw.core.report.so_far import SoFar
from epw.core.report.spending import in_words
from epw.core.report.task_result import TaskResult
from epw.rendering.forecast import time_left

_MAX_ROWS = 60
_LATER_THAN_TODAY_SECONDS = 20 * 3600
_COLUMNS = (
    Column("task", is_id=True),
    Column("status"),
    Column("agent", rank=7),
    Column("elapsed", rank=4),
    Column("done", rank=2),
    Column("left", rank=3),
    Column("files", rank=6),
    Column("cost", rank=5),
    Column("now", rank=1),
)


NO_WORKER = "no worker"
"""What stands beside the status of what goes on only once a worker runs it."""


def show_running(
    document: ExecutionResult,
    numbers: SoFar,
    live: Mapping[str, AgentProgress],
    *,
    has_worker: bool = True,
    is_cancelled: bool = False,
) -> None:
    """Print the table of its tasks, the unfinished ones first, under a line with the whole."""
    rows = document["results"]
    order = {"running": 0, "waiting": 1, "failed": 2, "conflicted": 2, "ready": 3, "pending": 4}
    shown = sorted(rows, key=lambda row: order.get(row["status"], 5))[:_MAX_ROWS]
    remarks = [*([] if has_worker else [NO_WORKER]), *(["to be cancelled"] if is_cancelled else [])]
    told = f" ({', '.join(remarks)})" if remarks else ""
    title = f"{document['executionId']}: {document['status']}{told}"
    table(title, _COLUMNS, [_cells(row, live.get(row["taskId"]), has_worker=has_worker) for row in shown])
    if len(rows) > len(shown):
        left = Counter(row["status"] for row in rows) - Counter(row["status"] for row in shown)
        print(f"and {len(rows) - len(shown)} more: {', '.join(f'{count} {status}' for status, count in left.items())}")
    prose(summary(Counter(row["status"] for row in rows), numbers))


def summary(counts: Mapping[str, int], numbers: SoFar) -> str:
    """How far an execution is, in a line; `counts`: tasks by status."""
    done = [f"{counts.get('succeeded', 0)} of {count(sum(counts.values()), 'task')} done"]
    done += [f"{count} {status}" for status, count in counts.items() if status in TERMINAL and status != "succeeded"]
    parts = [", ".join(done), f"{numbers['percent']:.0f} %", f"{duration(numbers['elapsedMs'])} so far"]
    parts += filter(None, [time_left(numbers)])
    if numbers["costUSD"] is not None:
        parts.append(f"{dollars(numbers['costUSD'])} so far")
    elif numbers["tokens"] is not None:
        parts.append(f"{numbers['tokens']} tokens so far")
    if "inDoubt" in numbers:
        parts.append(in_words(numbers["inDoubt"]))
    return " · ".join(parts)


def waits_for(row: Mapping[str, Any]) -> str:
    """What a task waits for, until when, and whose end it waits for: `files of a, b`."""
    kind = row.get("waitingFor")
    if not kind:
        return ""
    if (until := row.get("waitingUntil")) is not None:
        return f"{kind} until {_moment(until)}"
    if host := row.get("waitingHost"):
        return f"{kind} {host}"
    on: Sequence[str] = row.get("waitingOn") or ()
    return f"{kind} of {', '.join(on)}" if on else str(kind)


def _cells(row: TaskResult, live: AgentProgress | None, *, has_worker: bool) -> list[Any]:
    waiting = NO_WORKER if row["status"] == "running" and not has_worker else waits_for(row)
    simulated = " (simulated)" if row.get("simulated") else ""
    percent = live.percent if live is not None else None
    elapsed = live.elapsed_ms if live is not None else row["duration"] or None
    cost = max(row["usage"]["costUSD"] or 0, (live.cost_usd if live is not None else None) or 0)
    return [
        row["taskId"],
        f"{row['status']}{f' ({waiting})' if waiting else ''}{simulated}",
        row["agentId"],
        None if elapsed is None else duration(elapsed),
        None if percent is None else f"{percent:.0f} %",
        _left(live),
        _files(row, live),
        dollars(cost) if cost else None,
        (live.operation if live is not None else None) or (row["error"]["type"] if row["error"] else ""),
    ]


def _left(live: AgentProgress | None) -> str | None:
    """Time left, as the agent reports it, else from the percent that it reports."""
    if live is None:
        return None
    if live.minutes_left is not None:
        return duration(live.minutes_left * 60_000)
    if not live.percent or live.elapsed_ms is None or live.percent >= 100:
        return None
    return f"≈ {duration(live.elapsed_ms * (100 - live.percent) / live.percent)}"


def _files(row: TaskResult, live: AgentProgress | None) -> int | None:
    if row["filesModified"] is not None:
        return len(row["filesModified"])
    return len(live.files) if live is not None and live.files else None


def _moment(at: int) -> str:
    """A moment (epoch milliseconds) on this machine's clock, with its day where that is not near."""
    moment = datetime.fromtimestamp(at / 1000)
    return f"{moment:%H:%M}" if abs(at / 1000 - time.time()) < _LATER_THAN_TODAY_SECONDS else f"{moment:%a %d %b %H:%M}"
