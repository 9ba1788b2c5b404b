"""An execution as a model reads it: brief or whole, with what it waits for and the call that answers it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from epw.core.amounts import count
from epw.core.execution.task_state import TERMINAL
from epw.core.messages import AgentProgress
from epw.core.report.model import ExecutionResult
from epw.core.report.task_result import TaskResult

_MAX_SUMMARY = 300
_MAX_SHOWN = 8
_MAX_HUNKS = 5
RUNNING = ("running", "paused")
_NO_AGENT = "none"
"""`agentId` of a task that no agent began: the other tools want one in every result."""


def brief(document: ExecutionResult, live: Mapping[str, AgentProgress]) -> dict[str, Any]:
    """Status, counts, a short row a task, what waits for a person, and what to call next."""
    waiting = needs(document)
    return {
        "success": _success(document),
        "executionId": document["executionId"],
        "status": document["status"],
        "counts": dict(Counter(row["status"] for row in document["results"])),
        **_brief_numbers(document),
        "needs": waiting,
        "tasks": [_brief_row(row, live.get(row["taskId"])) for row in document["results"]],
        "conflicts": [_brief_conflict(each) for each in document["conflicts"]],
        **({"steering": document["steering"]} if document["steering"] else {}),
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
        "success": _success(document),
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


def _success(document: ExecutionResult) -> bool:
    """Whether the call has, and so far the execution: while it runs, nothing has failed it yet."""
    return document["success"] or document["status"] in RUNNING


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
            choices = [
                {name: option[name] for name in ("choice", "description", "risk")}
                for option in conflict["resolutionOptions"]
                if "choice" in option
            ]
            arguments = {"executionId": identifier, "conflictId": conflict["id"], "choice": "…"}
            own, *others = conflict["tasks"]
            found.append(
                {
                    "kind": "conflict",
                    "conflictId": conflict["id"],
                    "tasks": conflict["tasks"],
                    "description": conflict["description"],
                    "paths": conflict["paths"],
                    "sides": {"ours": f"landed before: {', '.join(others)}", "theirs": f"the change of {own}"},
                    "hunks": conflict["hunks"][:_MAX_HUNKS],
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
                    **({"freeText": True} if question.get("freeText") else {}),
                    "answerWith": {"tool": "answer_question", "arguments": arguments},
                }
            )
    return found


@dataclass(frozen=True)
class Look:
    """A running execution at a glance: rows of the query `progress`, and what its agents report."""

    tasks: Sequence[Mapping[str, Any]]
    waits: int
    """Questions without an answer, conflicts' too."""
    live: Mapping[str, AgentProgress]
    is_paused: bool = False

    @property
    def rests(self) -> bool:
        """Whether it is paused and nothing is under way any more."""
        return self.is_paused and not any(task["status"] == "running" for task in self.tasks)

    @property
    def percent(self) -> float:
        """Mean percent over the tasks."""
        done = [100.0 if task["status"] in TERMINAL else self._percent(task["taskId"]) or 0.0 for task in self.tasks]
        return sum(done) / len(done) if done else 0.0

    @property
    def line(self) -> str:
        """How many tasks have ended, and what runs."""
        running = [task["taskId"] for task in self.tasks if task["status"] == "running"]
        shown = []
        for task_id in running[:_MAX_SHOWN]:
            percent = self._percent(task_id)
            shown.append(task_id if percent is None else f"{task_id} {percent:.0f} %")
        more = f" and {len(running) - _MAX_SHOWN} more" if len(running) > _MAX_SHOWN else ""
        ended = sum(task["status"] in TERMINAL for task in self.tasks)
        of_all = f"{ended} of {count(len(self.tasks), 'task')} ended"
        return f"{of_all}; running: {', '.join(shown)}{more}" if running else of_all

    def _percent(self, task_id: str) -> float | None:
        reported = self.live.get(task_id)
        return reported.percent if reported is not None else None


def _brief_numbers(document: ExecutionResult) -> dict[str, Any]:
    """How far it is and when it probably ends; of tasks their rows say it."""
    if "soFar" not in document:
        return {}
    eta = document["soFar"].get("eta")
    left = {name: value for name, value in eta.items() if name != "tasks"} if eta is not None else None
    return {"soFar": {**document["soFar"], **({"eta": left} if left is not None else {})}}


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
    places = {name: conflict[name] for name in ("symbol", "definition", "use") if name in conflict}
    return {name: conflict[name] for name in names if conflict[name] is not None} | places


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
    if status == "paused":
        return f"call resume_execution with executionId {identifier} to go on"
    if status in RUNNING:
        return LOOK.format(identifier)
    branch = document["delivery"]["branch"] if document["delivery"] else None
    where = (
        f"what landed is on branch {branch}; get_changes shows it" if branch else "get_changes shows what was changed"
    )
    if status == "succeeded":
        return where
    return f"{where}; look at the errors of `tasks`; retry_execution {identifier} runs again what did not succeed"


LOOK = (
    "call get_execution with executionId {} and wait: true (and waitSeconds below your client's time limit, if it has"
    " one), again until it has ended"
)
