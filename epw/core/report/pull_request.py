"""Text of a pull request, from the result of an execution: what was done, what is left, how it was checked."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping

from epw.core.plan.model import Plan
from epw.core.report.markdown import cell, table
from epw.core.report.model import ExecutionResult
from epw.core.report.spending import in_words
from epw.core.report.task_result import TaskResult

MAX_BODY = 60_000
"""Characters; GitHub refuses more than 65,536."""
_MAX_TITLE = 100
_MAX_FILES = 60
_MENTION = re.compile(r"([@#!])(?=\w)")
_LANDED = {True: "landed", False: "left out"}


def title(document: ExecutionResult, plan: Plan) -> str:
    """The plan's name, else what its first landed task was to do, and how many there are besides."""
    if plan.name:
        return _cut(plan.name)
    landed = [row["taskId"] for row in document["results"] if row["landed"]]
    described = {task.id: task.description for task in plan.tasks}
    more = f" and {len(landed) - 1} more" if len(landed) > 1 else ""
    return _cut(described[landed[0]], _MAX_TITLE - len(more)) + more if landed else document["executionId"]


def body(document: ExecutionResult, plan: Plan) -> str:
    """The text, as Markdown. What agents wrote is escaped: it names nobody, links and closes no issue."""
    text = "\n".join(_lines(document, {task.id: task.description for task in plan.tasks}, plan)) + "\n"
    return text if len(text) <= MAX_BODY else f"{text[:MAX_BODY].rpartition(chr(10))[0]}\n\n… (cut)\n"


def _lines(document: ExecutionResult, described: Mapping[str, str], plan: Plan) -> Iterator[str]:
    rows, identifier = document["results"], document["executionId"]
    landed = [row for row in rows if row["landed"]]
    if plan.description:
        yield f"{_quiet(plan.description)}\n"
    agents = sorted({plan.backend_of(task).name for task in plan.tasks})
    yield f"{len(landed)} of {len(rows)} tasks landed, done by agents (`{'`, `'.join(agents)}`) of `epw`"
    yield f"execution `{identifier}`."
    yield f"\n{_checked(document, plan)}"
    yield "\n## Tasks\n"
    head = ["task", "what it was to do", "", "files", "cost"]
    yield from _quiet_table(head, [_task(row, described[row["taskId"]]) for row in rows])
    files = (document["delivery"]["files"] if document["delivery"] is not None else None) or []
    if files:
        yield f"\n## Files\n\n<details><summary>{len(files)} files</summary>\n"
        yield from (f"- {_quiet(path)}" for path in files[:_MAX_FILES])
        yield f"- … and {len(files) - _MAX_FILES} more\n\n</details>" if len(files) > _MAX_FILES else "\n</details>"
    conflicts = [each for each in document["conflicts"] if each["type"] != "dependency"]
    if conflicts:
        yield "\n## Conflicts\n"
        cells = [
            [
                each["kind"],
                ", ".join(each["tasks"]),
                each["description"],
                each["resolution"] or "open",
                each["decidedBy"] or "–",
            ]
            for each in conflicts
        ]
        yield from _quiet_table(["kind", "tasks", "what", "resolution", "decided by"], cells)
    if document["questions"]:
        yield "\n## Questions\n"
        asked = [[each["taskId"], each["text"], each["answer"] or "–"] for each in document["questions"]]
        yield from _quiet_table(["task", "question", "answer"], asked)
    yield "\n## To look closer\n"
    yield f"```\n{shlex.join(['epw', 'diff', identifier])} TASK\n{shlex.join(['epw', 'drop', identifier])} TASK\n```"


def _checked(document: ExecutionResult, plan: Plan) -> str:
    metrics, parts = document["metrics"], list[str]()
    parts.append(f"Verified by `{' '.join(plan.verify.split()).replace('`', '')}`." if plan.verify else "Not verified.")
    if metrics is not None:
        cost = metrics["costUSD"]
        spent = f", ${cost:.2f}" if cost else ""
        spent += f", and {in_words(metrics['inDoubt'])}" if "inDoubt" in metrics else ""
        parts.append(f"{metrics['totalDuration'] / 1000:.0f} s{spent}, {metrics['conflictCount']} conflicts.")
    return " ".join(parts)


def _task(row: TaskResult, description: str) -> list[str]:
    error, files, cost = row["error"], row["filesModified"], row["usage"]["costUSD"]
    state = _LANDED.get(row["landed"] or False, "") if row["status"] == "succeeded" else row["status"]
    why = f": {error['type']}" if error is not None else ""
    return [
        row["taskId"],
        description[:300],
        f"{state}{why}",
        "–" if files is None else str(len(files)),
        f"${cost:.2f}" if cost else "–",
    ]


def _quiet_table(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    yield from (_MENTION.sub("\\1\u200b", line) for line in table(head, rows))


def _quiet(text: str) -> str:
    """Text on one line that is no markup, mentions nobody and refers to nothing."""
    return _MENTION.sub("\\1\u200b", cell(text))


def _cut(text: str, most: int = _MAX_TITLE) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= most else f"{flat[: most - 1]}…"
