"""What a plan hands to others: the pull request of its branch."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from epw.core.plan.parts import PlanPart

# They become arguments of a program.
Reviewer = Annotated[str, StringConstraints(max_length=100, pattern=r"^[A-Za-z0-9_@][A-Za-z0-9_.@/-]*$")]


class PullRequestWish(PlanPart):
    """The pull request that is opened for a delivered branch."""

    title: str | None = Field(default=None, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")
    """Its title; where absent, made from the plan."""
    draft: bool = False
    """Whether it is not ready for review yet."""
    reviewers: list[Reviewer] = Field(default_factory=list, max_length=20)
    """Who reviews it, by their names on the forge."""
