"""Questions of an execution, and which answers they take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from epw.core.errors import InvalidRequest
from epw.core.messages import Question


def placeholder(options: Sequence[object]) -> str:
    """The word that stands for the answer in a command that is shown."""
    return "CHOICE" if options else "TEXT"


@dataclass
class Asked:
    """A question that was asked, and its answer; times in epoch milliseconds."""

    id: str
    task_id: str
    question: Question
    asked_at: int
    settle: Callable[[str | None], None] | None = None
    """For a question of the execution itself: called with the answer, or with None where none comes."""
    check: Callable[[str], object] | None = None
    """Raises `InvalidRequest` for an answer that is not possible."""
    answer: str | None = None
    answered_at: int | None = None
    closed: bool = False
    """Whether it was answered, has expired, or its task will not go on."""

    def document(self) -> dict[str, Any]:
        """The question as results show it."""
        return {
            "id": self.id,
            "taskId": self.task_id,
            "text": self.question.text,
            "options": self.question.options,
            "askedAt": self.asked_at,
            "answer": self.answer,
            "answeredAt": self.answered_at,
            **({"freeText": True} if self.question.free_text else {}),
        }

    def check_answer(self, text: str) -> None:
        """Raise `InvalidRequest` for an answer that the question does not take."""
        options = self.question.options
        if self.check is not None:
            self.check(text)
        elif options and not self.question.free_text and text not in options:
            raise InvalidRequest(f"{text[:100]!r} is not an option of {self.id}; answer one of: {', '.join(options)}")


class Questions:
    """All questions of an execution, by id, in the order in which they were asked."""

    def __init__(self) -> None:
        self._asked: dict[str, Asked] = {}

    def __iter__(self) -> Iterator[Asked]:
        return iter(self._asked.values())

    @property
    def open(self) -> list[Asked]:
        """The questions that can be answered."""
        return [asked for asked in self._asked.values() if not asked.closed]

    def ask(self, task_id: str, question: Question, now: int) -> Asked:
        """Keep a new question."""
        asked = Asked(f"q{len(self._asked) + 1}", task_id, question, now)
        self._asked[asked.id] = asked
        return asked

    def answerable(self, question_id: str, correctable: Callable[[Asked], bool] = lambda asked: False) -> Asked:
        """The question with this id that takes an answer; raises `InvalidRequest` if it is unknown, answered or closed.

        `correctable`: whether another answer can still take the place of the first.
        """
        asked = self._asked.get(question_id)
        if asked is None:
            open_ids = ", ".join(each.id for each in self.open) or "none"
            raise InvalidRequest(f"no question {question_id!r} was asked (open: {open_ids})")
        if asked.answer is not None and correctable(asked):
            return asked
        if asked.answer is not None:
            raise InvalidRequest(
                f"question {question_id} was already answered, and the answer is in use: {asked.answer[:200]!r}"
            )
        if asked.closed:
            raise InvalidRequest(f"question {question_id} is closed: its task does not wait any more")
        return asked
