"""Roll back: the compensations of an execution's steps, newest first; doing it twice changes nothing more."""

from __future__ import annotations

from pathlib import Path

from temporalio import activity

from activities.execution import Execution
from activities.git.hub import Hub
from activities.heartbeat import in_thread
from workflows.errors import GitError
from workflows.messages import ROLL_BACK, Compensation, RollBackRequest


class RollBacker:
    def __init__(self, home: Path) -> None:
        self._home = home

    @activity.defn(name=ROLL_BACK)
    async def roll_back(self, request: RollBackRequest) -> None:
        """Undo each step; every task's commit stays reachable in the hub."""
        info = activity.info()
        execution = Execution(self._home, info.workflow_id or "", info.workflow_run_id or "")
        for step in request.steps:
            await in_thread(_STEPS[step.step], execution, step)


def _reset_head(execution: Execution, step: Compensation) -> None:
    Hub(Path(step.hub)).update_ref(execution.ref("head"), step.to or "")


def _remove_branch(execution: Execution, step: Compensation) -> None:
    """Remove a branch of ours that still is where we put it; one that somebody moved is theirs now."""
    hub, workspace, branch = Hub(Path(step.hub)), execution.workspace(), execution.delivered_branch()
    if branch is None:
        return
    reference = f"refs/heads/{branch}"
    holds = workspace.git("rev-parse", "--verify", "--quiet", reference, codes=(0, 1)).decode().strip()
    if holds == step.head:
        refused = hub.take_back(workspace, holds, reference)
        if refused is not None:
            raise GitError(["update-ref", "-d", reference], 1, refused)


_STEPS = {"head": _reset_head, "branch": _remove_branch}
