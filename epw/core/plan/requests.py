"""What callers say to an execution: its updates, signals and queries, one model each."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import Field

from epw.core.plan.model import Message

M = TypeVar("M", bound=Message)

IN_LINE = "in_line"


class AnswerQuestion(Message):
    """Update `answer`."""

    question_id: str
    text: str = Field(max_length=30_000)


class InLine(Message):
    """Signal `in_line`: which tasks stand in line in a worker, for room on its machine; all of them, each time."""

    worker: str
    tasks: list[str]


class ResolveConflict(Message):
    """Update `resolve_conflict`."""

    conflict_id: str
    choice: str


class SetMaxAgents(Message):
    """Update `set_max_agents`."""

    max_agents: int = Field(ge=1, le=1000)


class Nothing(Message):
    """Updates `pause` and `resume`."""


class Page(Message):
    """Query `results`."""

    offset: int = Field(default=0, ge=0)
    limit: int = Field(default=500, ge=1, le=10_000)


def read_message(kind: type[M], value: Any) -> M:
    """A message from what a caller sent; nothing stands for an empty object."""
    return kind.model_validate({} if value is None else value)
