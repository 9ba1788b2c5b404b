"""An execution as a model reads it: brief or whole, with what it waits for and the call that answers it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from epw.core.execution.task_state import TERMINAL
from epw.core.messages import AgentProgress
from epw.core.report.model import ExecutionResult
from epw.core.report.task_result import TaskResult

_MAX_SUMMARY = 300
RUNNING = ("running", "paused")
_NO_AGENT = "none"
"""`agentId` of a task that no agent began: the other tools want one in every result."""


def brief(document: ExecutionResult, live: Mapping[str, AgentProgress]) -> dict[str, Any]:
    """Status, counts, a short row a task, what waits for a person, and what to call next."""
    waiting = needs(document)
    return {
        "success": document["success"],
        "executionId": document["executionId"],
        "status": document["status"],
        "counts": dict(Counter(row["status"] for row in document["results"])),
        "needs": waiting,
        "tasks": [_brief_row(row, live.get(row["taskId"])) for row in document["results"]],
        "conflicts": [_brief_conflict(each) for each in document["conflicts"]],
        "metrics": document["metrics"],
        "delivery": _brief_delivery(document),
        **({"error": document["error"]} if "error" in document else {}),
        "next": _next(document, waiting),
    }


def whole(document: ExecutionResult) -> dict[str, Any]:
    """The result document; rows as `AgentResult`, which `detect_conflicts` takes."""
    waiting = needs(document)
    return {
        **document,
        "results": [
            {
                **row,
                "agentId": row["agentId"] or _NO_AGENT,
                "filesModified": row["filesModified"] or [],
                "changes": row["changes"] or [],
            }
            for row in document["results"]
        ],
        "needs": waiting,
        "next": _next(document, waiting),
    }


def needs(document: ExecutionResult) -> list[dict[str, Any]]:
    """Questions and conflicts that wait for a person, each with the call that answers it."""
    if document["status"] not in RUNNING:
        return []
    identifier, ended = document["executionId"], {}
    for row in document["results"]:
        ended[row["taskId"]] = row["status"] in TERMINAL
    of_conflicts = {each["questionId"]: each for each in document["conflicts"] if "questionId" in each}
    found: list[dict[str, Any]] = []
    for question in document["questions"]:
        if question["answer"] is not None or ended.get(question["taskId"], True):
            continue
        conflict = of_conflicts.get(question["id"])
        if conflict is not None:
            choices = [option["choice"] for option in conflict["resolutionOptions"] if "choice" in option]
            arguments = {"executionId": identifier, "conflictId": conflict["id"], "choice": " | ".join(choices)}
            found.append(
                {
                    "kind": "conflict",
                    "conflictId": conflict["id"],
                    "tasks": conflict["tasks"],
                    "description": conflict["description"],
                    "paths": conflict["paths"],
                    "hunks": conflict["hunks"][:5],
                    "choices": choices,
                    "answerWith": {"tool": "resolve_conflict", "arguments": arguments},
                }
            )
        else:
            arguments = {"executionId": identifier, "questionId": question["id"], "text": "…"}
            found.append(
                {
                    "kind": "question",
                    "questionId": question["id"],
                    "taskId": question["taskId"],
                    "text": question["text"],
                    "options": question["options"],
                    "answerWith": {"tool": "answer_question", "arguments": arguments},
                }
            )
    return found


def percent_done(document: ExecutionResult, live: Mapping[str, AgentProgress]) -> float:
    """Mean percent over the tasks, by what their agents report."""
    rows = document["results"]
    done = sum(100.0 if row["status"] in TERMINAL else _percent(live.get(row["taskId"])) for row in rows)
    return done / len(rows) if rows else 0.0


def progress_line(document: ExecutionResult, live: Mapping[str, AgentProgress]) -> str:
    """One line: how many tasks have ended, what runs, what waits."""
    rows = document["results"]
    running = [row["taskId"] for row in rows if row["status"] == "running"]
    shown = ", ".join(
        f"{task} {live[task].percent:.0f} %" if task in live and live[task].percent is not None else task
        for task in running[:8]
    )
    ended = sum(row["status"] in TERMINAL for row in rows)
    waiting = len(needs(document))
    return (
        f"{ended} of {len(rows)} tasks ended"
        + (f"; running: {shown}{' …' if len(running) > 8 else ''}" if running else "")
        + (f"; {waiting} wait for an answer" if waiting else "")
    )


def _percent(progress: AgentProgress | None) -> float:
    return progress.percent or 0.0 if progress is not None else 0.0


def _brief_row(row: TaskResult, progress: AgentProgress | None) -> dict[str, Any]:
    """Only what says something."""
    files = row["filesModified"]
    found = {
        "taskId": row["taskId"],
        "status": row["status"],
        "landed": row["landed"],
        "agentId": row["agentId"],
        "attempts": row["attempts"] if row["attempts"] > 1 else None,
        "waitingFor": row.get("waitingFor"),
        "percent": progress.percent if progress else None,
        "operation": progress.operation if progress else None,
        "files": len(files) if files else None,
        "error": {"type": row["error"]["type"], "message": row["error"]["message"][:_MAX_SUMMARY]}
        if row["error"]
        else None,
        "summary": (row["summary"] or "")[:_MAX_SUMMARY] or None,
        "simulated": row.get("simulated") or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _brief_conflict(conflict: Mapping[str, Any]) -> dict[str, Any]:
    names = ("id", "kind", "severity", "tasks", "description", "paths", "resolution", "decidedBy")
    return {name: conflict[name] for name in names if conflict[name] is not None}


def _brief_delivery(document: ExecutionResult) -> dict[str, Any] | None:
    delivery = document["delivery"]
    if delivery is None:
        return None
    files = delivery["files"]
    return {**{name: value for name, value in delivery.items() if name != "files"}, "files": len(files or [])}


def _next(document: ExecutionResult, waiting: list[dict[str, Any]]) -> str:
    """What to do now, for a model that has not read the documentation."""
    identifier, status = document["executionId"], document["status"]
    if waiting:
        tools = " or ".join(dict.fromkeys(each["answerWith"]["tool"] for each in waiting))
        return f"call {tools} with your user's decision, then get_execution {identifier} with wait: true"
    if status in RUNNING:
        return f"call get_execution with executionId {identifier} and wait: true, or do other work meanwhile"
    if status == "succeeded":
        branch = document["delivery"]["branch"] if document["delivery"] else None
        where = f"the result is on branch {branch}" if branch else "done"
        return f"{where}; get_changes shows the diff"
    return f"look at the errors; retry_execution {identifier} runs again what did not succeed"
