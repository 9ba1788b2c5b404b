"""What the workflow and its activities say to each other of handing over, and of undoing that."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from epw.core.messages import StepRequest
from epw.core.plan.model import Message


class DeliverRequest(StepRequest):
    hub: str
    base: str
    head: str
    branch: str | None = None
    mode: str = "branch"
    commits: str = "squash"


class CleanUpRequest(StepRequest):
    """What is of no use any more: what would undo a delivery that stays, the directories of attempts that waited."""

    hub: str | None = None
    """Of the delivery."""
    directories: bool = False


class Delivery(Message):
    """How the final head was handed over (CONTRACT section 8)."""

    mode: str
    base: str | None = None
    head: str | None = None
    branch: str | None = None
    refused_because: str | None = None
    finish_with: list[str] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)


class Compensation(Message):
    """One step to undo: `head` resets the execution's head, `branch` removes a delivered branch, `apply`
    brings the work tree back."""

    step: Literal["head", "branch", "apply"]
    hub: str
    to: str | None = None
    branch: str | None = None
    head: str | None = None


class RollBackRequest(StepRequest):
    """Compensations in the order in which they are done."""

    steps: list[Compensation]
