"""Findings of a report: what its parts say together. Text, Markdown and page show the same ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from epw.core import failures
from epw.core.amounts import count, dollars, few
from epw.core.report.model import ConflictResult, SteeringResult
from epw.core.report.report import PlannedTask, Report
from epw.core.report.spending import has_used, in_words, known_cost, total
from epw.core.report.task_result import ModelUsage, TaskResult
from epw.rendering.words import WAITS, duration

LIMITS = tuple(
    kind.type
    for kind in (
        *(failures.TIME_LIMIT, failures.MEMORY_LIMIT, failures.PROCESS_LIMIT, failures.DISK_LIMIT, failures.DISK_FULL),
        *(failures.BUDGET_LIMIT, failures.SPEND_LIMIT, failures.TURN_LIMIT, failures.CONTEXT_WINDOW),
    )
)
"""Types of the failures that are limits."""
_NOT_PLANNED: PlannedTask = {
    "taskId": "",
    "description": "",
    "dependsOn": [],
    "estimatedMinutes": 0,
    "agent": "",
    "model": None,
}


class Fact(NamedTuple):
    """A number, what it is called, and how it is to be read."""

    name: str
    value: str
    meaning: str = ""


class Spending(NamedTuple):
    """What a model has used, over its tasks."""

    model: str
    tasks: int
    requests: int
    input_tokens: int
    output_tokens: int
    cost: float | None
    """None: the model has no known price."""


def is_open(report: Report) -> bool:
    """Whether the execution goes on."""
    return report["endedAt"] is None


def title(report: Report) -> str:
    return report["plan"]["name"] or report["executionId"]


def planned(report: Report) -> dict[str, PlannedTask]:
    """What the plan says by task; of a task that it does not have, nothing."""
    known = {each["taskId"]: each for each in report["plan"]["tasks"]}
    return {row["taskId"]: known.get(row["taskId"], _NOT_PLANNED) for row in report["result"]["results"]}


def counts(report: Report) -> dict[str, int]:
    """Tasks by status."""
    return dict(Counter(row["status"] for row in report["result"]["results"]))


def conflicts(report: Report) -> list[ConflictResult]:
    """Those that stopped a change."""
    return [each for each in report["result"]["conflicts"] if each["type"] != "dependency"]


def deciders(conflict: ConflictResult) -> str:
    """How a conflict ended, and who decided: `retry, by the strategy`."""
    if conflict["resolution"] is None:
        return f"open: {conflict['underWay']}" if conflict.get("underWay") else "open"
    who = conflict["decidedBy"] or "nobody"
    by = {"plan": "the plan", "strategy": "the strategy", "user": "a person"}.get(
        who, who.replace("agent:", "agent of ")
    )
    return f"{conflict['resolution']}, decided by {by}"


def agents(report: Report) -> list[str]:
    """Backends of the tasks whose work is in the result; without a workspace, of those that succeeded."""
    rows = report["result"]["results"]
    has_landings, plans = any(row["landed"] is not None for row in rows), planned(report)
    done = [row for row in rows if (row["landed"] if has_landings else row["success"])]
    return sorted({plans[row["taskId"]]["agent"] for row in done} - {""})


def steered(change: SteeringResult) -> str:
    """What a person changed: the update and its message."""
    return " ".join([change["action"], *(f"{name}={value}" for name, value in change["request"].items())])


def speed(report: Report) -> list[Fact]:
    """Time and speed: measured, estimated, and what would have been the optimum; nothing where no agent ran."""
    metrics = report["result"]["metrics"]
    if metrics is None or not metrics["agentsUsed"]:
        return []
    found = [
        Fact(
            "time",
            duration(metrics["totalDuration"]),
            "from start to end, without waits for people and usage limits, and while a worker ran",
        ),
        Fact("one after another", duration(metrics["sequentialDuration"]), "the sum of all tasks' times"),
        Fact(
            "speedup, estimated", _number(metrics["estimatedSpeedup"]), "of the list schedule of the plan's estimates"
        ),
        Fact("speedup, actual", _number(metrics["actualSpeedup"]), "one after another, divided by the time"),
    ]
    if metrics["scheduleDuration"] is not None:
        optimum = "a list schedule of the measured times on the same agents, where nothing else takes time"
        found.append(Fact("optimal time", duration(metrics["scheduleDuration"]), optimum))
    if metrics["efficiency"] is not None:
        found.append(Fact("efficiency", f"{metrics['efficiency']:.0%}", "the optimal time, divided by the time"))
    if metrics["coordinationOverhead"] is not None:
        overhead = "starting, saving, merging and checking: what is missing of 100 %"
        found.append(Fact("overhead", f"{metrics['coordinationOverhead']:.0%}", overhead))
    if away := metrics.get("awayMs"):
        found.append(Fact("without a worker", duration(away), "waiting for one; in none of the other numbers"))
    if url_away := metrics.get("urlAwayMs"):
        found.append(Fact("the git URL away", duration(url_away), "waiting for it; in none of the other numbers"))
    used = f"{metrics['agentsUsed']} of {metrics['agentCount']}"
    found.append(Fact("agents used", used, f"at most {metrics['peakConcurrency']} at once"))
    again = [f"{count(metrics['retryCount'], 'attempt')} after failures"]
    again += [f"{count(asked, 'run')} as a person wanted"] if (asked := metrics.get("askedRetryCount")) else []
    again += [f"{count(metrics.get('rerunCount', 0), 'run')} after conflicts"]
    found.append(Fact("again", ", ".join(again), "included in the times"))
    return found


def waited(report: Report) -> list[Fact]:
    """Sum of the tasks' waits by reason, without those that there were none of."""
    rows = [row["waitedMs"] for row in report["result"]["results"]]
    found = []
    for kind, words in WAITS.items():
        times = [ms for waits in rows for name, ms in waits.items() if name == kind and isinstance(ms, int) and ms]
        if times:
            found.append(Fact(words, duration(sum(times)), count(len(times), "task")))
    return found


def cost(report: Report) -> str | None:
    """Sum of what models cost, and what is in doubt; None where none was called."""
    used = [row["usage"] for row in report["result"]["results"] if has_used(row["usage"])]
    if not used:
        return None
    spent = total(used)
    known = known_cost(used) if spent["costUSD"] is None else dollars(spent["costUSD"])
    return f"{known}, and {in_words(spent['inDoubt'])}" if "inDoubt" in spent else known


def spending(report: Report) -> list[Spending]:
    """By model, the dearest first."""
    plans, by_model = planned(report), dict[str, list[ModelUsage]]()
    for row in report["result"]["results"]:
        if has_used(row["usage"]):
            task = plans[row["taskId"]]
            by_model.setdefault(task["model"] or task["agent"] or "unknown", []).append(row["usage"])
    found = [
        Spending(
            model,
            len(used),
            sum(each["requests"] for each in used),
            sum(each["inputTokens"] for each in used),
            sum(each["outputTokens"] for each in used),
            total(used)["costUSD"],
        )
        for model, used in by_model.items()
    ]
    return sorted(found, key=lambda each: -(each.cost or 0))


def limits(report: Report) -> list[str]:
    """Limits that were hit, a line each."""
    found = []
    for row in report["result"]["results"]:
        error = row["error"]
        if error is not None and error["type"] in LIMITS:
            found.append(f"{row['taskId']}: {error['type']}: {first_line(error['message'])}")
        if (row["throttledSeconds"] or 0) >= 1:
            held = duration((row["throttledSeconds"] or 0) * 1000)
            found.append(f"{row['taskId']}: held back for {held}: its processes had used their share of the CPU")
    for kind in ("usageLimit", "rateLimit", "resources"):
        waits = [row for row in report["result"]["results"] if row["waitedMs"][kind]]
        if waits:
            time = duration(sum(row["waitedMs"][kind] for row in waits))
            found.append(
                f"{count(len(waits), 'task')} waited {time} {WAITS[kind]}: {few(row['taskId'] for row in waits)}"
            )
    return found


def warnings(report: Report) -> list[str]:
    """Warnings, a line each: of tasks, of the delivery, hazards, and what agents left behind."""
    result, found = report["result"], list[str]()
    for row in result["results"]:
        found += [f"{row['taskId']}: {each}" for each in row.get("warnings", [])]
        found += [
            f"{row['taskId']}: left behind ({each['kind']}): {each['name']}"
            + (f", {few(each['files'])}" if each["files"] else "")
            for each in row["leftBehind"]
        ]
    found += [each["description"] for each in result["conflicts"] if each["type"] == "dependency"]
    ignored = sorted({name for row in result["results"] for name in row.get("notEnforced", [])})
    found += [f"nothing enforces {', '.join(ignored)} for some agents"] if ignored else []
    found += result["delivery"]["warnings"] if result["delivery"] is not None else []
    simulated = sum(bool(row.get("simulated")) for row in result["results"])
    found += [f"{count(simulated, 'task')} of simulated agents: nothing real was done"] if simulated else []
    return found


def verified(report: Report) -> tuple[str, str]:
    """What the plan's `verify` said of the result, in a word or two, and the command.

    Where no result is left it may have passed after the landings of some tasks, and nobody is told that it failed.
    """
    command, found = report["plan"]["verify"], report["result"].get("verification")
    if found is not None:
        code = "" if found["exitCode"] is None else f" ({found['exitCode']})"
        return "passed" if found["passed"] else f"failed{code}", found["command"]
    if command is None:
        return "no", "the plan has no verify"
    delivery = report["result"]["delivery"]
    if report["result"]["status"] == "succeeded" or (delivery is not None and delivery["branch"]):
        # Of a version that did not tell: nothing else is delivered.
        return "passed", command
    return "not yet" if is_open(report) else "nothing to verify", command


def delivered_parts(report: Report) -> tuple[str, str]:
    """How the result was handed over, in a word or two, and more of it."""
    delivery = report["result"]["delivery"]
    if delivery is None:
        return ("not yet", "") if is_open(report) else ("nothing", "there is no workspace, or nothing landed")
    if delivery["refusedBecause"]:
        return "not", delivery["refusedBecause"]
    files = [] if delivery["files"] is None else [count(len(delivery["files"]), "file")]
    yours = set(delivery.get("uncommitted", [])) - set(delivery["files"] or [])
    more = [f"and {count(len(yours), 'file')} that had not been committed"] if yours else []
    if delivery["branch"]:
        return "branch", ", ".join([delivery["branch"], *files, *more])
    if delivery["mode"] == "apply" and delivery["head"] != delivery["base"]:
        return "into the work tree", ", ".join(files)
    return "nothing", ""


def delivered(report: Report) -> str:
    """How the result was handed over, in a line."""
    word, more = delivered_parts(report)
    return f"{word}{': ' if word == 'not' else ' ' if word == 'branch' else ', ' if more else ''}{more}"


def why(row: TaskResult) -> str:
    """Why a task did not succeed, in a line; empty where it did."""
    error = row["error"]
    if error is None:
        return ""
    return (
        first_line(error["message"])
        if row["status"] == "skipped"
        else f"{error['type']}: {first_line(error['message'])}"
    )


def first_line(text: str) -> str:
    return next(iter(text.splitlines()), "")


def longest(report: Report, most: int = 5) -> Iterator[TaskResult]:
    """The tasks that took the most time, of many."""
    rows = report["result"]["results"]
    if len(rows) > most:
        yield from sorted((row for row in rows if row["duration"]), key=lambda row: -row["duration"])[:most]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
