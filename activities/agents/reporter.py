"""Reports of a running attempt: progress, predicted conflicts, tokens and waits, without secrets."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from activities.agents.notes import Notes
from activities.agents.secrets import Secrets
from activities.conflicts.prediction import PredictedConflict
from activities.model_api.waiting import WaitClock
from activities.state.heartbeat import Heartbeat
from epw.core.messages import SEEN_COMING, Usage

_MAX_PROPOSED = 16_000
"""Characters of JSON."""
_MAX_WARNINGS = 5
_MAX_WARNING_LENGTH = 300


class Warnings:
    """Predicted conflicts: shown while they last, passed to the agent once each."""

    def __init__(self, show: Callable[[list[str]], None]) -> None:
        self._show = show
        self._known: dict[PredictedConflict, None] = {}
        self._new: list[PredictedConflict] = []

    def update(self, current: list[PredictedConflict]) -> None:
        """Replace the predicted conflicts by the latest ones."""
        self._show([str(each) for each in current])
        self._new += [each for each in current if each not in self._known]
        self._known |= dict.fromkeys(current)

    def take_new(self) -> list[PredictedConflict]:
        """Predicted conflicts that the agent has not received yet; each is returned once."""
        new, self._new = self._new, []
        return new

    @property
    def all(self) -> list[str]:
        """The first few conflicts that were predicted in this attempt, in words."""
        found = [f"{SEEN_COMING}{each}"[:_MAX_WARNING_LENGTH] for each in self._known]
        return found[:_MAX_WARNINGS]


@dataclass
class Reporter:
    """Takes the reports of the agent of one attempt."""

    heartbeat: Heartbeat
    secrets: Secrets
    checkpoint: Callable[[], Awaitable[None]]
    """Saves the directory as it is now, so that a later attempt can go on from there."""
    warnings: Warnings
    remarks: list[str] = field(default_factory=list)
    """Warnings for the result."""
    usage: Usage | None = None
    """Usage of the task over all of its attempts; None for agents without a model."""
    account_wait: WaitClock = field(default_factory=WaitClock)
    """Time that the attempt waited for the API account and the budget."""
    resource_wait: WaitClock = field(default_factory=WaitClock)
    """Time that the attempt waited for memory or disk of this machine."""
    notes: Notes | None = None
    """Messages of people; None for an agent that gets none."""
    proposed: list[dict[str, Any]] = field(default_factory=list)
    """Tasks that the agent proposes to add."""
    _proposed_size: int = 0

    def report(self, fields: dict[str, Any]) -> None:
        """Take over fields of `AgentProgress`; others are ignored."""
        self.heartbeat.report({name: self._redacted(value) for name, value in fields.items()})

    def used(self, usage: Usage) -> None:
        """Take what the task has used of models."""
        self.usage = usage
        doubt = usage.in_doubt.model_dump(by_alias=True) if usage.in_doubt is not None else None
        tokens = usage.input_tokens + usage.output_tokens
        self.heartbeat.report({"tokens": tokens, "costUSD": usage.cost_usd, "inDoubt": doubt})

    def propose(self, tasks: Any) -> None:
        """Take tasks that the agent proposes to add, up to a limit; what is no list of objects is ignored."""
        for each in tasks if isinstance(tasks, list) else []:
            try:
                text = self.redact(json.dumps(each)).encode("utf-8", "replace").decode()
                if isinstance(each, dict) and len(text) + self._proposed_size <= _MAX_PROPOSED:
                    self.proposed.append(json.loads(text))
                    self._proposed_size += len(text)
            except (ValueError, RecursionError):
                continue

    def new_notes(self) -> list[str]:
        """Messages of people that the agent has not got yet; each is returned once."""
        return self.notes.take_new() if self.notes is not None else []

    def redact(self, text: str) -> str:
        """The text with the name of each secret in its place."""
        return self.secrets.redact_text(text)

    @property
    def waited_seconds(self) -> float:
        """Time of the attempt that was not the agent's work."""
        return self.account_wait.seconds + self.resource_wait.seconds

    def _redacted(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.redact(each) if isinstance(each, str) else each for each in value]
        return self.redact(value) if isinstance(value, str) else value
