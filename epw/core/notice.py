"""Notice: one message to people or programs about something that happened in an execution."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from epw.core.messages import StepRequest
from epw.core.plan.outgoing import Event
from epw.core.plan.parts import Message

MAX_TEXT = 1000


class Notice(Message):
    """What a receiver gets as JSON; what does not belong to the event is absent."""

    id: str
    """The same each time that it is sent: a receiver that knows it has it already."""
    event: Event
    execution_id: str
    name: str | None = None
    """Name of the plan."""
    at: int
    """Epoch milliseconds."""
    title: str
    text: str
    status: str
    """Of the execution."""
    task_id: str | None = None
    question: dict[str, Any] | None = None
    """`{id, text, options}`."""
    conflict: dict[str, Any] | None = None
    """`{id, kind, tasks, paths, description}`."""
    error: dict[str, Any] | None = None
    """`{type, message, attempt}`."""
    budget: dict[str, Any] | None = None
    """`{costUSD, tokens, maxCostUSD, maxTokens}`."""
    counts: dict[str, int] | None = None
    """Tasks by status."""
    delivery: dict[str, Any] | None = None
    """`{mode, branch, pullRequest, refusedBecause}`."""
    commands: list[str] = Field(default_factory=list)
    """What to type."""
    left_out: int | None = None
    """Notices that were not sent because there were too many."""

    def document(self) -> dict[str, Any]:
        """The notice as JSON has it."""
        return self.model_dump(by_alias=True, exclude_none=True)


class NoticeRequest(StepRequest):
    """Send a notice as the rule of the plan's `notify` with this index says."""

    rule: int
    notice: Notice
