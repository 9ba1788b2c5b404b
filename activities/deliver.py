"""Deliver: hand the final head over to the user's repository, once."""

from __future__ import annotations

import shlex
from pathlib import Path

from temporalio import activity

from activities.execution import Execution
from activities.frame import attended, current_execution
from activities.git.hub import Hub
from activities.heartbeat import in_thread
from workflows.messages import DELIVER, DeliverRequest, Delivery

_MOST_NAMES = 20


class Deliverer:
    def __init__(self, home: Path) -> None:
        self._home = home

    @activity.defn(name=DELIVER)
    async def deliver(self, request: DeliverRequest) -> Delivery:
        """Create the branch in the user's repository; a name that is taken gets `-2`, `-3`, ...

        Writes objects and that one ref, nothing else; doing it twice finds the branch of the first time.
        A refusal is an answer, with the commands that finish the job.
        """
        execution = current_execution(self._home)
        async with attended(self._home, execution.key + "/deliver"):
            delivered: Delivery = await in_thread(_deliver, execution, request)
            await in_thread(execution.remove_attempts)
        return delivered


def _deliver(execution: Execution, request: DeliverRequest) -> Delivery:
    hub, workspace = Hub(Path(request.hub)), execution.workspace()
    refused = None
    for number in range(1, _MOST_NAMES + 1):
        branch = request.branch if number == 1 else f"{request.branch}-{number}"
        reference = f"refs/heads/{branch}"
        holds = workspace.git("rev-parse", "--verify", "--quiet", reference, codes=(0, 1, 128)).decode().strip()
        ours = holds == request.head and execution.delivered_branch() == branch
        if holds and not ours:
            continue
        execution.keep_delivered_branch(branch)
        # Refused as well where a branch stands beneath the name (`epw/x/y` beside `epw/x`): try the next.
        refused = None if ours else hub.hand_over(workspace, request.head, reference)
        if refused is None:
            return Delivery(mode="branch", base=request.base, head=request.head, branch=branch)
    return Delivery(
        mode="branch",
        base=request.base,
        head=request.head,
        refused_because=refused or f"{_MOST_NAMES} branches named {request.branch} exist",
        finish_with=[_by_hand(hub, workspace.path, execution.ref("head"), request.branch)],
    )


def _by_hand(hub: Hub, workspace: str, reference: str, branch: str) -> str:
    target = f"{reference}:refs/heads/delivered-{branch.replace('/', '-')}"
    return shlex.join(["git", "-C", workspace, "fetch", str(hub.path), target])
