"""Messages between the workflow and the activities `deliver`, `clean_up` and `roll_back`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from epw.core.messages import StepRequest
from epw.core.plan.parts import Message


class DeliverRequest(StepRequest):
    """Deliver the change from `base` to `head`: as a branch, or into the work tree (`mode`: `apply`)."""

    hub: str
    base: str
    head: str
    branch: str | None = None
    mode: str = "branch"
    commits: str = "squash"


class CleanUpRequest(StepRequest):
    """Remove what is no longer needed: what a delivery could be undone with, and directories of waiting attempts."""

    hub: str | None = None
    """The hub of a delivery that stays."""
    directories: bool = False


class Delivery(Message):
    """How the final head was delivered, as results show it."""

    mode: str
    base: str | None = None
    head: str | None = None
    branch: str | None = None
    refused_because: str | None = None
    finish_with: list[str] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)


class Compensation(Message):
    """Step to undo: `head` resets the execution's head, `branch` removes a delivered branch, `apply` restores the
    work tree."""

    step: Literal["head", "branch", "apply"]
    hub: str
    to: str | None = None
    branch: str | None = None
    head: str | None = None


class RollBackRequest(StepRequest):
    """Compensations, in the order in which they run."""

    steps: list[Compensation]
