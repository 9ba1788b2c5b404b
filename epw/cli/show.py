"""Documents for people: tables and lines, by rich; everything of unknown origin escaped."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from epw.cli.output import printable

_WIDE = 400


def console() -> Console:
    # For a program the whole of each cell on its line.
    return Console(file=sys.stdout, highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _WIDE)


def table(title: str, columns: list[str], rows: list[list[Any]]) -> None:
    """A table of plain cells; None is shown as –."""
    shown = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(*(Text("–" if cell is None else printable(str(cell)).replace("\n", " ")) for cell in row))
    console().print(shown)


def show_result(document: dict[str, Any]) -> None:
    """An execution for a person: its tasks, conflicts, metrics and what was delivered."""
    rows = [
        [
            row["taskId"],
            row["status"]
            + (f" ({row['waitingFor']})" if row.get("waitingFor") else "")
            + (" (simulated)" if row.get("simulated") else ""),
            row["landed"],
            row["attempts"],
            seconds(row["duration"]),
            None if row["filesModified"] is None else len(row["filesModified"]),
            _error(row),
        ]
        for row in document["results"]
    ]
    columns = ["task", "status", "landed", "attempts", "time", "files", "error"]
    table(f"{printable(document['executionId'])}: {document['status']}", columns, rows)
    out = console()
    for question in document["questions"]:
        answer = "" if question["answer"] is None else f" → {question['answer']}"
        text = f"question {question['id']} ({question['taskId']}): {question['text']}{answer}"
        out.print(Text(printable(text)))
        if question["answer"] is None and question["options"] and document["status"] in ("running", "paused"):
            command = f"epw answer {document['executionId']} {question['id']} CHOICE"
            out.print(Text(printable(f"  choose by: {command} ({' | '.join(question['options'])})")))
    for conflict in document["conflicts"]:
        ended = f"{conflict['resolution']} by {conflict['decidedBy']}" if conflict["resolution"] else _open(conflict)
        passed = f"; passed over: {', '.join(conflict['passedOver'])}" if conflict.get("passedOver") else ""
        for lost, what in (("overwrote", "overwrote the other side"), ("dropped", "did not do again what it had done")):
            passed += f"; {what} in {', '.join(conflict[lost])}" if conflict.get(lost) else ""
        text = f"conflict {conflict['id']} [{conflict['kind']}]: {conflict['description']} ({ended}{passed})"
        out.print(Text(printable(text)))
    if document["metrics"] and document["status"] not in ("running", "paused"):
        show_metrics(document["metrics"])
    _show_usage([row["usage"] for row in document["results"] if row.get("usage")])
    ignored = sorted({name for row in document["results"] for name in row.get("notEnforced", [])})
    if ignored:
        out.print(f"not enforced yet: {', '.join(ignored)}")
    if document.get("error"):
        out.print(Text(printable(f"{document['error']['type']}: {document['error']['message']}")))
    _show_delivery(document["delivery"], document["status"])


def _open(conflict: dict[str, Any]) -> str:
    if conflict["type"] == "dependency":
        return "advice"
    return "open: resolve it" if conflict.get("questionId") else f"open: {conflict.get('underWay') or 'found'}"


def show_metrics(metrics: dict[str, Any]) -> None:
    """The numbers in one line each."""
    out = console()
    out.print(
        f"{metrics['totalTasks']} tasks: {metrics['parallelTasks']} parallel, {metrics['sequentialTasks']} sequential;"
        f" {metrics['batches']} batches; {metrics['agentsUsed']} of {metrics['agentCount']} agents used,"
        f" at most {metrics['peakConcurrency']} at once"
    )
    out.print(
        f"{seconds(metrics['totalDuration'])} instead of {seconds(metrics['sequentialDuration'])}:"
        f" speedup {number(metrics['actualSpeedup'])} (estimated {number(metrics['estimatedSpeedup'])}),"
        f" efficiency {number(metrics['efficiency'])} of the list schedule"
    )
    path = printable(" → ".join(metrics["criticalPath"][:12]))
    failed = f"{metrics['failureCount']} failed, {metrics['retryCount']} retried, {metrics['conflictCount']} conflicts"
    out.print(Text(f"{failed}; critical path {path}"))


def _show_usage(used: list[dict[str, Any]]) -> None:
    """What models were asked, and what that cost."""
    used = [each for each in used if each["requests"]]
    if not used:
        return
    tokens = f"{sum(each['inputTokens'] for each in used)} + {sum(each['outputTokens'] for each in used)} tokens"
    costs = [each["costUSD"] for each in used]
    cost = "cost unknown (a model without a price)" if None in costs else f"${sum(costs):.4f}"
    console().print(f"{sum(each['requests'] for each in used)} calls of models, {tokens}, {cost}")


def _show_delivery(delivery: dict[str, Any] | None, status: str) -> None:
    out = console()
    if delivery is None:
        return
    if delivery.get("refusedBecause"):
        out.print(Text(printable(f"not delivered: {delivery['refusedBecause']}")))
    elif delivery["branch"]:
        out.print(Text(f"delivered: branch {delivery['branch']}{_files(delivery)}"))
    elif delivery["mode"] == "apply" and delivery["head"] != delivery["base"]:
        out.print(Text(f"delivered into the work tree{_files(delivery)}"))
    elif status != "running":
        out.print(f"nothing delivered (deliver: {delivery['mode']})")
    for warning in delivery.get("warnings", []):
        out.print(Text(printable(f"  {warning}")))
    for command in delivery.get("finishWith", []):
        out.print(Text(f"finish with: {command}"))


def _files(delivery: dict[str, Any]) -> str:
    files = delivery.get("files")
    return "" if files is None else f", {len(files)} files"


def seconds(milliseconds: float | None) -> str:
    return "–" if milliseconds is None else f"{milliseconds / 1000:.1f} s"


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _error(row: dict[str, Any]) -> str:
    error = row["error"]
    return f"{error['type']}: {error['message']}"[:160] if error else ""
