"""Results for people, as tables and lines; text of unknown origin is escaped."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rich.text import Text

from epw.cli.layout import Column, console, table
from epw.cli.output import printable
from epw.cli.show_failures import show_error, show_failures, show_warnings, verify_failed
from epw.core.amounts import count
from epw.core.failures import VERIFY_FAILED
from epw.core.report.measured import Metrics
from epw.core.report.model import OPEN, ConflictResult, DeliveryResult, ExecutionResult, QuestionResult, Verification
from epw.core.report.spending import has_used, in_words, known_cost, total
from epw.core.report.task_result import ModelUsage, TaskResult

_COLUMNS = (
    Column("task", is_id=True),
    Column("status"),
    Column("landed", rank=5),
    Column("attempts", rank=3),
    Column("time", rank=2),
    Column("files", rank=4),
    Column("why", rank=1),
)


def show_result(document: ExecutionResult) -> None:
    """Print an execution: its tasks once it has ended, failures, questions, conflicts, metrics and delivery."""
    out, is_open = console(), document["status"] in OPEN
    if not is_open:
        title = f"{printable(document['executionId'])}: {document['status']}"
        table(title, _COLUMNS, map(_cells, document["results"]))
    show_failures(document["results"])
    if not is_open:
        show_warnings(document["results"])
    for question in document["questions"]:
        for line in _question_lines(question, document["executionId"] if is_open else None):
            out.print(Text(printable(line)))
    for entry in document["steering"]:
        out.print(Text(printable(f"{steering_line(entry)}, at {datetime.fromtimestamp(entry['at'] / 1000):%H:%M:%S}")))
    told = [
        row["taskId"]
        for row in document["results"]
        if row["status"] == "conflicted" and row["error"] and row["error"]["type"] == VERIFY_FAILED.type
    ]
    for conflict in document["conflicts"]:
        # A red `verify` is told once: with the task that it is laid to.
        if conflict["kind"] != "verify" or conflict["tasks"][0] not in told:
            out.print(Text(printable(_conflict_line(conflict))))
    if document["metrics"] and not is_open:
        waits = [row["waitedMs"] for row in document["results"]]
        _show_metrics(document["metrics"], has_waited=any(each["question"] or each["usageLimit"] for each in waits))
    _show_usage([row["usage"] for row in document["results"]])
    ignored = sorted({name for row in document["results"] for name in row.get("notEnforced", [])})
    if ignored:
        out.print(f"not enforced yet: {', '.join(ignored)}")
    if error := document.get("error"):
        show_error(error, document["executionId"])
    if (verification := document.get("verification")) is not None and (verification["passed"] or not error):
        without = f", without {', '.join(told)}" if told and verification["passed"] else ""
        out.print(Text(printable(f"{_verification_line(verification)}{without}")))
    _show_delivery(document["delivery"], document["status"])


def _verification_line(verification: Verification) -> str:
    code = verification["exitCode"]
    failed = "failed" if code is None else f"failed with exit code {code}"
    said = "passed" if verification["passed"] else failed
    return f"verify `{verification['command']}`: {said} ({_seconds(verification['durationMs'])})"


def _cells(row: TaskResult) -> list[Any]:
    waiting = f" ({row['waitingFor']})" if row.get("waitingFor") else ""
    simulated = " (simulated)" if row.get("simulated") else ""
    files = row["filesModified"]
    return [
        row["taskId"],
        f"{row['status']}{waiting}{simulated}",
        row["landed"],
        row["attempts"],
        # Of a cancelled attempt that no worker had any more nobody may know how long its agent worked.
        _seconds(row["duration"] or (None if row["status"] == "cancelled" else 0)),
        None if files is None else len(files),
        _why(row),
    ]


def _why(row: TaskResult) -> str:
    """Why a task did not succeed, in short: the type of its failure, or what it was skipped for."""
    error = row["error"]
    if error is None:
        return ""
    return error["message"] if row["status"] == "skipped" else error["type"]


def _question_lines(question: QuestionResult, execution_id: str | None) -> list[str]:
    """A question and its answer; while its execution runs (`execution_id`), also the command that answers it."""
    answer = "" if question["answer"] is None else f" → {question['answer']}"
    lines = [f"question {question['id']} ({question['taskId']}): {question['text']}{answer}"]
    if execution_id is not None and question["answer"] is None:
        command = f"epw answer {shlex.quote(execution_id)} {question['id']}"
        options = " | ".join([*question["options"], *(["words of your own"] if question.get("freeText") else [])])
        lines.append(f"  choose by: {command} CHOICE ({options})" if options else f"  answer by: {command} TEXT")
    return lines


def steering_line(entry: Mapping[str, Any]) -> str:
    """A change that a person made while it ran."""
    request = " ".join(str(value) for value in entry["request"].values())
    by = f" by {entry['by']}" if entry["by"] else ""
    return f"{entry['action']}{f' {request}' if request else ''}{by} → {entry['outcome']}"


def _conflict_line(conflict: ConflictResult) -> str:
    details = [f"{conflict['resolution']} by {conflict['decidedBy']}" if conflict["resolution"] else _open(conflict)]
    if conflict.get("passedOver"):
        details.append(f"passed over: {', '.join(conflict['passedOver'])}")
    if conflict.get("overwrote"):
        details.append(f"overwrote the other side in {', '.join(conflict['overwrote'])}")
    if conflict.get("dropped"):
        details.append(f"did not do again what it had done in {', '.join(conflict['dropped'])}")
    if conflict["kind"] == "verify":
        return f"{verify_failed(conflict)} ({'; '.join(details)})"
    return f"conflict {conflict['id']} [{conflict['kind']}]: {conflict['description']} ({'; '.join(details)})"


def _open(conflict: ConflictResult) -> str:
    if conflict["type"] == "dependency":
        return "advice"
    return "open: resolve it" if conflict.get("questionId") else f"open: {conflict.get('underWay') or 'found'}"


def _show_metrics(metrics: Metrics, *, has_waited: bool) -> None:
    out = console()
    if not metrics["agentsUsed"]:
        out.print(f"{count(metrics['totalTasks'], 'task')}, no agent ran; {_seconds(metrics['totalDuration'])}")
        return
    out.print(
        f"{count(metrics['totalTasks'], 'task')}: {metrics['parallelTasks']} parallel,"
        f" {metrics['sequentialTasks']} sequential; "
        f"{metrics['agentsUsed']} of {metrics['agentCount']} agents used, at most {metrics['peakConcurrency']} at once"
    )
    reruns, speedup = metrics.get("rerunCount", 0), metrics["actualSpeedup"]
    included = f", {count(reruns, 'run')} again after conflicts included" if reruns else ""
    away, url_away = metrics.get("awayMs", 0), metrics.get("urlAwayMs", 0)
    left_out = [
        *(["the waits for people and usage limits"] if has_waited else []),
        *([f"the {_seconds(away)} of waiting for a worker"] if away else []),
        *([f"the {_seconds(url_away)} of waiting for the git URL"] if url_away else []),
    ]
    without = f" without {' and '.join(left_out)}" if left_out else ""
    out.print(
        f"{_seconds(metrics['totalDuration'])}{without}; one after another it would have been"
        f" {_seconds(metrics['sequentialDuration'])}{included}"
    )
    if speedup is not None and speedup < 1 and metrics["scheduleDuration"] is not None:
        around = _seconds(max(0, metrics["totalDuration"] - metrics["scheduleDuration"]))
        lost = " what ended with its worker," if metrics.get("lostRunCount", 0) else ""
        out.print(
            f"not faster in parallel this time (speedup {_number(speedup)}): {around} went into start-up,{lost}"
            " the snapshot, saving, landing and delivery, which longer tasks make up for"
        )
    else:
        out.print(
            f"speedup {_number(speedup)} (estimated {_number(metrics['estimatedSpeedup'])}),"
            f" efficiency {_number(metrics['efficiency'])} of the list schedule"
        )
    happened = (
        (metrics["failureCount"], "failed"),
        (metrics["retryCount"], "retried after failures"),
        (metrics.get("askedRetryCount", 0), "run again as a person wanted"),
        (reruns, "run again after conflicts"),
        (metrics.get("lostRunCount", 0), "run again after the worker had ended (Ctrl-C, a closed terminal, a crash)"),
        (metrics["conflictCount"], "conflict" if metrics["conflictCount"] == 1 else "conflicts"),
        (metrics.get("hazardCount", 0), "hazard" if metrics.get("hazardCount") == 1 else "hazards"),
    )
    some = ", ".join(f"{number:,} {what}" for number, what in happened if number) or "no failures, reruns or conflicts"
    path = printable(" → ".join(metrics["criticalPath"][:12]))
    out.print(Text(f"{some}; critical path {path or 'empty'}"))


def _show_usage(used: list[ModelUsage]) -> None:
    """Print the sum of calls, tokens and cost, and what is in doubt; nothing where no model was called."""
    used = [each for each in used if has_used(each)]
    if not used:
        return
    tokens = f"{sum(each['inputTokens'] for each in used)} + {sum(each['outputTokens'] for each in used)} tokens"
    spent = total(used)
    cost = known_cost(used)
    doubt = f", and {in_words(spent['inDoubt'])}" if "inDoubt" in spent else ""
    requests = sum(each["requests"] for each in used)
    # A command tells of no calls.
    calls = f"{count(requests, 'model call')}, " if requests else ""
    console().print(f"{calls}{tokens}, cost {cost}{doubt}")


_PULL_REQUESTS = {
    "open": "pull request",
    "draft": "pull request, a draft",
    "manual": "pushed; open the pull request at",
}
_NO_PAGE = "pushed; the remote is no forge with a web page: tell those who merge there of the branch"


def _show_delivery(delivery: DeliveryResult | None, status: str) -> None:
    out = console()
    if delivery is None:
        return
    if delivery["refusedBecause"]:
        out.print(Text(printable(f"not delivered: {delivery['refusedBecause']}")))
    elif delivery["branch"]:
        out.print(Text(f"delivered: branch {delivery['branch']}{_files(delivery)}"))
    elif delivery["mode"] == "apply" and delivery["head"] != delivery["base"]:
        out.print(Text(f"delivered into the work tree{_files(delivery)}"))
    elif status != "running":
        out.print(f"nothing delivered (deliver: {delivery['mode']})")
    if (opened := delivery.get("pullRequest")) is not None and opened["state"] in _PULL_REQUESTS:
        said = f"{_PULL_REQUESTS[opened['state']]}: {opened['url']}" if opened["url"] else _NO_PAGE
        out.print(Text(printable(said)))
    for warning in delivery["warnings"]:
        out.print(Text(printable(f"  {warning}")))
    for command in delivery["finishWith"]:
        out.print(Text(f"finish with: {command}"))


def _files(delivery: DeliveryResult) -> str:
    if (files := delivery["files"]) is None:
        return ""
    yours = set(delivery.get("uncommitted", [])) - set(files)
    more = f", and {count(len(yours), 'file')} that you had not committed" if yours else ""
    return f", {count(len(files), 'file')}{more}"


def _seconds(milliseconds: float | None) -> str:
    return "–" if milliseconds is None else f"{milliseconds / 1000:.1f} s"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
