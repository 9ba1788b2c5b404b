"""Message that hands the results of an earlier execution to a new one."""

from __future__ import annotations

from pydantic import Field

from epw.core.plan.parts import Message


class Redrive(Message):
    """Second input of the workflow: what to take over from an earlier execution (`retry`, `drop`)."""

    of: str
    commits: dict[str, str | None]
    """The saved change of each task; None: it changed nothing."""
    chain: str = ""
    """Run id of the earlier execution's first run."""
    kept: list[str] = Field(default_factory=list)
    """The tasks whose kept files are taken over too."""
    base: str | None = None
    """The commit in the hub to start from, in place of the workspace as it is now."""
    order: list[str] = Field(default_factory=list)
    """If given: land the changes in this order and run nothing; what does not merge is left out (command `drop`)."""
