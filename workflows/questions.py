"""The questions of an execution: first answer wins, a second is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from workflows.errors import InvalidRequest
from workflows.messages import Question

About = Literal["task", "budget", "approval"]


@dataclass
class Asked:
    id: str
    task_id: str
    question: Question
    asked_at: int
    answer: str | None = None
    answered_at: int | None = None
    closed: bool = False
    """Answered, expired, or its task will not go on."""
    about: About = "task"
    """Of the last two the execution itself asks: for its budget (`task_id`: who had to stop for it first), for a
    change that needs a person's word."""

    def document(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "taskId": self.task_id,
            "text": self.question.text,
            "options": self.question.options,
            "askedAt": self.asked_at,
            "answer": self.answer,
            "answeredAt": self.answered_at,
        }


class Questions:
    def __init__(self) -> None:
        self._asked: dict[str, Asked] = {}

    def __iter__(self) -> Any:
        return iter(self._asked.values())

    @property
    def open(self) -> list[Asked]:
        return [asked for asked in self._asked.values() if not asked.closed]

    def ask(self, task_id: str, question: Question, now: int, about: About = "task") -> Asked:
        asked = Asked(f"q{len(self._asked) + 1}", task_id, question, now, about=about)
        self._asked[asked.id] = asked
        return asked

    def answerable(self, question_id: str) -> Asked:
        """The open question of that id; raises `InvalidRequest` for an unknown or closed one."""
        asked = self._asked.get(question_id)
        if asked is None:
            open_ids = ", ".join(each.id for each in self.open) or "none"
            raise InvalidRequest(f"no question {question_id!r} was asked (open: {open_ids})")
        if asked.answer is not None:
            raise InvalidRequest(f"question {question_id} was already answered: {asked.answer[:200]!r}")
        if asked.closed:
            raise InvalidRequest(f"question {question_id} is closed: its task does not wait any more")
        return asked
