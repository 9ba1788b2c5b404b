"""Messages between the workflow and the activities `deliver`, `clean_up` and `roll_back`."""

from __future__ import annotations

import shlex
from typing import Literal

from pydantic import Field

from epw.core.landing import CheckRequest
from epw.core.messages import StepRequest
from epw.core.plan.parts import Message


def finish_push(execution_id: str) -> list[str]:
    """Commands that finish a push which was refused, or had nobody to take it."""
    return [shlex.join(["epw", "deliver", execution_id])]


MOVED_ON = "the workspace has changed since the start"


class DeliverRequest(StepRequest):
    """Deliver the change from `base` to `head`: as a branch, into the work tree (`mode`: `apply`), or to the git URL
    (`push`)."""

    hub: str
    base: str
    head: str
    branch: str | None = None
    mode: str = "branch"
    commits: str = "squash"
    checks: bool = False
    """Whether the merge with what the user has changed meanwhile is read before it is delivered."""
    without: list[str] = Field(default_factory=list)
    """Checkers that cannot read it."""
    refused_because: str | None = None
    """Why nothing is delivered: only the commands that finish it by hand are wanted."""
    added: dict[str, str] = Field(default_factory=dict)
    """Descriptions of the tasks that have joined since the execution's start, for the commits' messages."""


class CleanUpRequest(StepRequest):
    """Remove what is no longer needed: what a delivery could be undone with, and directories of waiting attempts."""

    hub: str | None = None
    """The hub of a delivery that stays."""
    directories: bool = False


class PullRequestRequest(StepRequest):
    """Push a delivered branch, and open the plan's pull request for it."""

    branch: str
    hub: str | None = None


class DeliveredPullRequest(Message):
    """Pull request of a delivered branch."""

    url: str | None
    """Its address; where it is not open, that of the page on which a person opens it, if there is one."""
    state: Literal["open", "draft", "manual", "failed"]
    """`manual`: the branch is pushed, and the forge's program is not there or not logged in."""


class PullRequestOutcome(Message):
    """Result of `open_pull_request`; `problem`: why there is none, `final`: and would be none at a further attempt."""

    pull_request: DeliveredPullRequest
    problem: str | None = None
    final: bool = False


class Delivery(Message):
    """How the final head was delivered, as results show it."""

    mode: str
    base: str | None = None
    head: str | None = None
    branch: str | None = None
    refused_because: str | None = None
    finish_with: list[str] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    pull_request: DeliveredPullRequest | None = None


class Delivered(Delivery):
    """Result of `deliver`: the delivery, or the merge that checkers have to read first; then nothing is delivered."""

    to_check: CheckRequest | None = None


class Compensation(Message):
    """Step to undo: `head` resets the execution's head, `branch` removes a delivered branch, `push` removes one from
    the git URL, `apply` restores the work tree."""

    step: Literal["head", "branch", "push", "apply"]
    hub: str
    to: str | None = None
    branch: str | None = None
    head: str | None = None


class RollBackRequest(StepRequest):
    """Compensations, in the order in which they run."""

    steps: list[Compensation]
