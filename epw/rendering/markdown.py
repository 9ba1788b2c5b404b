"""Report as Markdown: the text of a pull request, and what `epw report --markdown` prints."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from epw.core.amounts import count, dollars
from epw.core.report.report import Report, Step
from epw.core.report.task_result import TaskResult
from epw.rendering import findings
from epw.rendering.quiet import block, code, codes, quiet, table
from epw.rendering.words import STATUSES, duration, moment

MAX_LENGTH = 60_000
"""Characters; GitHub refuses more than 65,536."""
_MAX_TITLE = 100
_MAX_FILES = 60
_MAX_TASKS = 200
_MAX_ENTRIES = 50
_MAX_TEXT = 300
_LANDED = {True: "landed", False: "left out", None: "done"}


def title(report: Report) -> str:
    """The plan's name, else what its first landed task was to do, and how many there are besides."""
    if report["plan"]["name"]:
        return _cut(report["plan"]["name"])
    landed = [row["taskId"] for row in report["result"]["results"] if row["landed"]]
    more = f" and {len(landed) - 1} more" if len(landed) > 1 else ""
    described = findings.planned(report)
    return _cut(described[landed[0]]["description"], _MAX_TITLE - len(more)) + more if landed else report["executionId"]


def markdown(report: Report) -> str:
    """The text. What agents wrote is escaped: it names nobody, links and closes no issue."""
    text = "\n".join(_lines(report)) + "\n"
    if len(text) <= MAX_LENGTH:
        return text
    # A table or a list can be cut at any of its lines.
    return f"{text[:MAX_LENGTH].rpartition(chr(10))[0]}\n\n… cut here: `epw report {_plain(report)}` has the rest\n"


def _lines(report: Report) -> Iterator[str]:
    yield from _head(report)
    yield from _tasks(report)
    yield from _files(report)
    yield from _conflicts(report)
    yield from _questions(report)
    yield from _steering(report)
    yield from _numbers(report)
    limits, warnings = findings.limits(report), findings.warnings(report)
    yield from _list("Limits that were hit", [quiet(each) for each in limits])
    yield from _list("Warnings", [quiet(each) for each in warnings])
    yield from _steps("To look closer", list(_closer(report)))
    yield from _steps("To undo", report["undo"])


def _head(report: Report) -> Iterator[str]:
    rows, plan, result = report["result"]["results"], report["plan"], report["result"]
    if plan["description"]:
        yield f"{quiet(plan['description'])}\n"
    sign, words = STATUSES.get(result["status"], ("", result["status"]))
    so_far = f", as of {moment(report['madeAt'])}" if findings.is_open(report) else ""
    landed = sum(bool(row["landed"]) for row in rows)
    done = sum(row["success"] for row in rows)
    how_many = (
        f"{landed} of {count(len(rows), 'task')} landed"
        if any(row["landed"] is not None for row in rows)
        else (f"{done} of {count(len(rows), 'task')} succeeded")
    )
    agents = findings.agents(report)
    by = f", done by {'agents' if len(agents) > 1 else 'the agent'} {codes(agents)}" if agents else ""
    # The text of a pull request can be made while the execution still ends.
    state = f"{sign} **{words}**{so_far}: " if findings.is_open(report) or result["status"] != "running" else ""
    yield f"{state}{how_many}{by}, in execution {code(report['executionId'])} of `epw`."
    if "error" in result:
        yield f"\n{quiet(result['error']['type'])}: {quiet(_cut(result['error']['message'], _MAX_TEXT))}"
    yield f"\n{_checked(report)}"


def _checked(report: Report) -> str:
    metrics, (verdict, command) = report["result"]["metrics"], findings.verified(report)
    if not report["plan"]["verify"]:
        parts = ["Not verified: the plan has no `verify`."]
    elif verdict == "passed":
        parts = [f"Verified by {code(command)}."]
    elif verdict == "nothing to verify":
        parts = [f"Not verified: no result is left for {code(command)}."]
    else:
        parts = [f"Not verified: {code(command)} {'has not run yet' if verdict == 'not yet' else verdict}."]
    if metrics is not None:
        number, spent = metrics["conflictCount"], findings.cost(report)
        conflicts = f"with {count(number, 'conflict')}" if number else "without conflicts"
        parts.append(f"It took {duration(metrics['totalDuration'])}, {conflicts}.")
        parts.append(f"Cost: {spent}." if spent else "")
    parts.append(f"Delivered: {quiet(findings.delivered(report))}." if report["result"]["delivery"] else "")
    parts.append(f"Checks of merges: {code(report['plan']['checks'])}." if report["result"]["delivery"] else "")
    return " ".join(filter(None, parts))


def _tasks(report: Report) -> Iterator[str]:
    rows, plans = report["result"]["results"], findings.planned(report)
    has_cost = any(row["usage"]["costUSD"] for row in rows)
    head = ["task", "what it was to do", "", "time", "files", *(["cost"] if has_cost else [])]
    yield "\n## Tasks\n"
    # Where there are many, those that did not succeed are what a reader needs.
    shown = rows if len(rows) <= _MAX_TASKS else sorted(rows, key=lambda row: row["success"])[:_MAX_TASKS]
    yield from table(head, (_task(row, plans[row["taskId"]]["description"], has_cost=has_cost) for row in shown))
    if len(rows) > len(shown):
        yield f"\n… and {len(rows) - len(shown)} more, all succeeded" if rows else ""


def _task(row: TaskResult, description: str, *, has_cost: bool) -> list[str]:
    files, spent, why = row["filesModified"], row["usage"]["costUSD"], findings.why(row)
    state = _LANDED[row["landed"]] if row["status"] == "succeeded" else row["status"]
    attempts = f", attempt {row['attempts']}" if row["attempts"] > 1 else ""
    return [
        code(row["taskId"]),
        quiet(_cut(description, _MAX_TEXT)),
        f"{state}{attempts}" + (f": {quiet(_cut(why, _MAX_TEXT))}" if why else ""),
        duration(row["duration"]) if row["duration"] else "–",
        "–" if files is None else str(len(files)),
        *([dollars(spent) if spent else "–"] if has_cost else []),
    ]


def _files(report: Report) -> Iterator[str]:
    delivery = report["result"]["delivery"]
    files = (delivery["files"] if delivery is not None else None) or []
    if files:
        yield f"\n## Files\n\n<details><summary>{count(len(files), 'file')}</summary>\n"
        yield from (f"- {code(path)}" for path in files[:_MAX_FILES])
        yield f"- … and {len(files) - _MAX_FILES} more\n\n</details>" if len(files) > _MAX_FILES else "\n</details>"


def _conflicts(report: Report) -> Iterator[str]:
    if found := findings.conflicts(report):
        yield "\n## Conflicts\n"
        cells = (
            [
                each["kind"],
                codes(each["tasks"]),
                quiet(_cut(each["description"], _MAX_TEXT)),
                quiet(findings.deciders(each)),
            ]
            for each in found[:_MAX_ENTRIES]
        )
        yield from table(["kind", "tasks", "what", "how it ended"], cells)
        yield from _rest(len(found))


def _questions(report: Report) -> Iterator[str]:
    if found := report["result"]["questions"]:
        yield "\n## Questions\n"
        asked = (
            [code(each["taskId"]), quiet(_cut(each["text"], _MAX_TEXT)), quiet(each["answer"]) or "–"]
            for each in found[:_MAX_ENTRIES]
        )
        yield from table(["task", "question", "answer"], asked)
        yield from _rest(len(found))


def _steering(report: Report) -> Iterator[str]:
    if found := report["result"]["steering"]:
        yield "\n## Changed while it ran\n"
        rows = (
            [moment(each["at"]), quiet(each["by"]) or "–", code(findings.steered(each)), quiet(each["outcome"])]
            for each in found[:_MAX_ENTRIES]
        )
        yield from table(["when", "by", "what", "outcome"], rows)
        yield from _rest(len(found))


def _numbers(report: Report) -> Iterator[str]:
    if speed := findings.speed(report):
        yield "\n## Speed and cost\n"
        waits = [[f"waited {each.name}", each.value, each.meaning] for each in findings.waited(report)]
        yield from table(["", "measured", ""], [*([*each] for each in speed), *waits])
    if models := findings.spending(report):
        yield ""
        rows = (
            [
                code(each.model),
                f"{each.tasks:,}",
                f"{each.requests:,}",
                f"{each.input_tokens:,}",
                f"{each.output_tokens:,}",
                "–" if each.cost is None else dollars(each.cost),
            ]
            for each in models
        )
        yield from table(["model", "tasks", "calls", "input tokens", "output tokens", "cost"], rows)


def _closer(report: Report) -> Iterator[Step]:
    """Commands that read, whoever opens them where; while it goes on, those that it waits for."""
    if findings.is_open(report):
        yield from report["next"]
        return
    execution_id = report["executionId"]
    whole = shlex.join(["epw", "report", execution_id, "--html", "report.html"])
    yield {"command": f"{shlex.join(['epw', 'diff', execution_id])} TASK", "purpose": "what one task has changed"}
    yield {"command": whole, "purpose": "timeline, graph, diffs and conflicts, in one page"}
    if not all(row["success"] for row in report["result"]["results"]):
        again = shlex.join(["epw", "retry", execution_id])
        yield {"command": again, "purpose": "run what has not succeeded, and keep the rest"}


def _list(heading: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield f"\n## {heading}\n"
        yield from (f"- {each}" for each in lines[:_MAX_ENTRIES])
        yield from _rest(len(lines))


def _rest(total: int) -> Iterator[str]:
    if total > _MAX_ENTRIES:
        yield f"\n… and {total - _MAX_ENTRIES} more"


def _steps(heading: str, steps: list[Step]) -> Iterator[str]:
    if steps:
        longest = min(44, max(len(each["command"]) for each in steps))
        yield f"\n## {heading}\n"
        yield from block(
            "\n".join(f"{each['command']:<{longest}}  # {' '.join(each['purpose'].split())}" for each in steps)
        )


def _plain(report: Report) -> str:
    return report["executionId"].replace("`", "")


def _cut(text: str, most: int = _MAX_TITLE) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= most else f"{flat[: most - 1]}…"
