"""An execution at a moment, and what a person can answer in it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from epw.core.decisions.questions import placeholder
from epw.core.execution.task_state import TERMINAL
from epw.core.messages import AgentProgress
from epw.core.report.model import ConflictResult, ExecutionResult, QuestionResult
from epw.core.report.so_far import SoFar
from epw.core.report.task_result import TaskResult

_ORDER = {"running": 0, "waiting": 1, "failed": 2, "conflicted": 2, "ready": 3, "pending": 4}
_ENDED = 5


@dataclass(frozen=True)
class Choice:
    """An answer that can be chosen; `words` says what it does, where that is known."""

    answer: str
    words: str = ""


@dataclass(frozen=True)
class Waiting:
    """A question or a conflict that waits for a person."""

    id: str
    """The question's, or the conflict's."""
    task_id: str
    kind: str
    """`question` or `conflict`."""
    text: str
    choices: Sequence[Choice] = ()
    takes_text: bool = True
    """Whether an answer may be none of the choices."""
    conflict: ConflictResult | None = None

    def update(self, answer: str) -> tuple[str, dict[str, Any]]:
        """Name and message of the update that answers it."""
        if self.kind == "conflict":
            return "resolve_conflict", {"conflictId": self.id, "choice": answer}
        return "answer", {"questionId": self.id, "text": answer}

    def command(self, execution_id: str) -> str:
        """The command that answers it."""
        verb = "resolve" if self.kind == "conflict" else "answer"
        return f"epw {verb} {shlex.quote(execution_id)} {self.id} {placeholder(self.choices)}"

    def answer_of(self, typed: str) -> str | None:
        """The answer that was typed, a choice by its number too; None where it takes no such answer."""
        answers = [each.answer for each in self.choices]
        if typed in answers:
            return typed
        if typed.isdecimal() and 0 < int(typed) <= len(answers):
            return answers[int(typed) - 1]
        return typed if typed and self.takes_text else None


@dataclass(frozen=True)
class Snapshot:
    """What is known of an execution at a moment; times in epoch milliseconds."""

    document: ExecutionResult
    live: Mapping[str, AgentProgress]
    numbers: SoFar
    at: int
    """When its agents' reports were read."""
    max_agents: int | None = None
    max_cost: float | None = None
    max_tokens: int | None = None
    """Budget, as it is now."""
    cpu: Mapping[str, float] = field(default_factory=dict)
    """Percent of a core that each agent has used of late."""
    trouble: str = ""
    """Why nothing newer is known, where that is so."""

    @property
    def id(self) -> str:
        return self.document["executionId"]

    @cached_property
    def rows(self) -> list[TaskResult]:
        """Its tasks, those of most interest first: running, waiting, failed, next, then the ended, latest first."""

        def rank(row: TaskResult) -> tuple[int, int]:
            place = _ORDER.get(row["status"], _ENDED)
            return place, -(row["finishedAt"] or 0) if place in (2, _ENDED) else 0

        return sorted(self.document["results"], key=rank)

    @cached_property
    def by_id(self) -> dict[str, TaskResult]:
        return {row["taskId"]: row for row in self.document["results"]}

    @cached_property
    def ended(self) -> int:
        """How many tasks have ended."""
        return sum(row["status"] in TERMINAL for row in self.document["results"])

    @cached_property
    def waiting(self) -> list[Waiting]:
        """What a person can answer now, the oldest first."""
        conflicts = {each["questionId"]: each for each in self.document["conflicts"] if "questionId" in each}
        found = []
        for question in self.document["questions"]:
            row = self.by_id.get(question["taskId"])
            if question["answer"] is None and (row is None or row["status"] not in TERMINAL):
                conflict = conflicts.get(question["id"])
                found.append(_question(question) if conflict is None else _conflict(question, conflict))
        return found

    @property
    def critical_path(self) -> Sequence[str]:
        return self.document["metrics"]["criticalPath"] if self.document["metrics"] else ()

    @property
    def warnings(self) -> list[str]:
        """Conflicts that are seen coming, and what else agents are warned of."""
        found = [f"{task}: {each}" for task, report in self.live.items() for each in report.warnings]
        return [*([self.trouble] if self.trouble else []), *found]


def _question(question: QuestionResult) -> Waiting:
    choices = [Choice(each) for each in question["options"]]
    takes_text = not choices or bool(question.get("freeText"))
    return Waiting(question["id"], question["taskId"], "question", question["text"], choices, takes_text)


def _conflict(question: QuestionResult, conflict: ConflictResult) -> Waiting:
    options = conflict["resolutionOptions"]
    choices = [Choice(each["choice"], each["description"]) for each in options if "choice" in each]
    text = f"{conflict['kind']}: {conflict['description']}"
    return Waiting(conflict["id"], question["taskId"], "conflict", text, choices, takes_text=False, conflict=conflict)
