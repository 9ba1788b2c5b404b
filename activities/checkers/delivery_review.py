"""Review of the merge of what is delivered with what the user has changed in the work tree meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from activities.checkers.landing_checks import LandingChecks
from activities.conflicts.fit import semantic_conflicts_of
from activities.conflicts.try_check import try_check
from activities.git.changes import changed_blobs
from activities.git.hub import Hub
from epw.core.errors import Refused
from epw.core.execution.delivery import MOVED_ON, DeliverRequest
from epw.core.landing import Change, CheckRequest

_MAX_SAID = 3
_TASKS = "the tasks"
"""Who is told to have made the change that is delivered."""


class Unread(Exception):
    """Checkers have to read a merge before it is delivered."""

    def __init__(self, request: CheckRequest) -> None:
        super().__init__()
        self.request = request


@dataclass(frozen=True)
class DeliveryReview:
    """Review for one delivery."""

    request: DeliverRequest
    hub: Hub
    checks: LandingChecks

    def __call__(self, ours: str, theirs: str, tree: str) -> None:
        """Raises `Unread` for a merge that checkers have to read, `Refused` for one that does not fit.

        `ours`: the work tree, `theirs`: the change that is delivered, commits; `tree`: their merge.
        """
        request, hub = self.request, self.hub
        if not request.checks:
            return
        changed = changed_blobs(hub, request.base, ours, theirs)
        change = Change(task_id=_TASKS, commit=theirs)
        if names := [name for name in self.checks.unread(changed, tree) if name not in request.without]:
            merged = hub.commit(tree, [ours, theirs], "epw: delivery", None, 0)
            raise Unread(CheckRequest(hub=request.hub, head=ours, change=change, merged=merged, names=names))
        found = try_check(semantic_conflicts_of, hub, request.base, changed, tree)
        if said := [each.message for each in found if request.without or not self.checks.decide(each, change, changed)]:
            raise Refused(f"{MOVED_ON}, and the parts do not fit: {'; '.join(said[:_MAX_SAID])}")
