"""Report of an execution as Markdown, for people: tasks, conflicts, questions, numbers, what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from epw.core.report.model import ExecutionResult
from epw.core.report.spending import in_words
from epw.core.report.task_result import TaskResult


def report(document: ExecutionResult) -> str:
    """The report; text of agents is escaped, so that it cannot change the layout."""
    return "\n".join(_lines(document)) + "\n"


def _lines(document: ExecutionResult) -> Iterator[str]:
    yield f"# {cell(document['executionId'])}: {document['status']}"
    yield ""
    if "error" in document:
        yield f"{document['error']['type']}: {cell(document['error']['message'])}"
        yield ""
    rows = document["results"]
    yield from table(
        ["task", "status", "landed", "attempts", "time", "files", "cost", "summary or error"], map(_task, rows)
    )
    if document["conflicts"]:
        yield "\n## Conflicts\n"
        columns = ["id", "kind", "tasks", "paths", "resolution", "decided by"]
        yield from table(
            columns,
            (
                [
                    each["id"],
                    each["kind"],
                    ", ".join(each["tasks"]),
                    ", ".join(each["paths"][:10]),
                    each["resolution"] or "open",
                    each["decidedBy"] or "–",
                ]
                for each in document["conflicts"]
            ),
        )
    if document["questions"]:
        yield "\n## Questions\n"
        asked = ([each["taskId"], each["text"], each["answer"] or "–"] for each in document["questions"])
        yield from table(["task", "question", "answer"], asked)
    yield from _numbers(document)
    yield from _delivery(document)


def _task(row: TaskResult) -> list[str]:
    error, files, cost = row["error"], row["filesModified"], row["usage"]["costUSD"]
    text = f"{error['type']}: {error['message']}" if error else row["summary"] or ""
    simulated = " (simulated)" if row.get("simulated") else ""
    return [
        row["taskId"],
        f"{row['status']}{simulated}",
        {True: "yes", False: "no", None: "–"}[row["landed"]],
        str(row["attempts"]),
        f"{row['duration'] / 1000:.1f} s",
        "–" if files is None else str(len(files)),
        "–" if not cost else f"${cost:.4f}",
        text[:300],
    ]


def _numbers(document: ExecutionResult) -> Iterator[str]:
    metrics = document["metrics"]
    if metrics is None:
        return
    yield "\n## Numbers\n"
    values = {
        "time": f"{metrics['totalDuration'] / 1000:.1f} s",
        "agents": metrics["agentCount"],
        "speedup": metrics["actualSpeedup"],
        "efficiency": metrics["efficiency"],
        "conflicts": metrics["conflictCount"],
        "failures": metrics["failureCount"],
        "cost": None if metrics["costUSD"] is None else f"${metrics['costUSD']:.4f}",
        "in doubt": in_words(metrics["inDoubt"]) if "inDoubt" in metrics else None,
    }
    shown = [
        [name, f"{each:.2f}" if isinstance(each, float) else str(each)]
        for name, each in values.items()
        if each is not None
    ]
    yield from table(["", "measured"], shown)


def _delivery(document: ExecutionResult) -> Iterator[str]:
    delivery = document["delivery"]
    if delivery is None:
        return
    yield "\n## Delivery\n"
    yield f"{delivery['mode']}" + (f": branch `{cell(delivery['branch'])}`" if delivery["branch"] else "")
    opened = delivery.get("pullRequest")
    if opened is not None and opened["url"]:
        yield f"\nPull request ({opened['state']}): {opened['url']}"
    if delivery["refusedBecause"]:
        yield f"\nRefused: {cell(delivery['refusedBecause'])}"
    for command in delivery["finishWith"]:
        yield f"\n    {command}"


def table(head: Sequence[str], rows: Any) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(cell(str(each)) for each in row)} |"


def cell(text: str | None) -> str:
    """Text on one line that is no markup."""
    flat = " ".join((text or "").split())
    return "".join(f"\\{each}" if each in "\\|`<>*_[]#" else each for each in flat)
