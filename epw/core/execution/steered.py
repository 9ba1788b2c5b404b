"""Changes that people make to an execution while it runs, as its result shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from epw.core.plan.requests import SteeringRequest

_MAX_TEXT = 200


@dataclass
class Steered:
    """An accepted update: who sent what, when (epoch milliseconds), and what has come of it so far."""

    at: int
    by: str | None
    action: str
    request: dict[str, Any]
    outcome: str

    @classmethod
    def of(cls, action: str, message: SteeringRequest, now: int, outcome: str) -> Steered:
        """The entry of an update; long texts of its message are cut."""
        sent = message.model_dump(by_alias=True, exclude_none=True, exclude={"by"})
        return cls(now, message.by, action, {name: _cut(value) for name, value in sent.items()}, outcome)

    def document(self) -> dict[str, Any]:
        """The entry as results show it."""
        return {
            "at": self.at,
            "by": self.by,
            "action": self.action,
            "request": self.request,
            "outcome": self.outcome,
        }


def _cut(value: Any) -> Any:
    return f"{value[: _MAX_TEXT - 1]}…" if isinstance(value, str) and len(value) > _MAX_TEXT else value
