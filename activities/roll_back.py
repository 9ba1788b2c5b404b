"""Roll back: the compensations of an execution's steps, newest first; doing it twice changes nothing more."""

from __future__ import annotations

import shlex
from pathlib import Path

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.apply.of_execution import tree_delivery_of
from activities.git.hub import Hub
from activities.state.activity_scope import activity_scope, current_execution, fencing_token
from activities.state.execution_store import ExecutionStore
from activities.system.concurrency import in_thread
from activities.system.failpoints import failpoint
from epw.core import failures
from epw.core.errors import GitError, UndoBlocked
from epw.core.execution.delivery import Compensation, RollBackRequest
from epw.core.messages import ROLL_BACK


class RollBacker:
    def __init__(self, home: Path) -> None:
        self._home = home

    @activity.defn(name=ROLL_BACK)
    async def roll_back(self, request: RollBackRequest) -> None:
        """Undo each step; every task's commit stays reachable in the hub.

        An error carries, as its detail, the commands that finish by hand what is left; what only the user can
        decide (type `UndoBlocked`) is not tried again.
        """
        execution = current_execution(self._home, request)
        async with activity_scope(self._home, execution.key + "/roll-back"):
            execution.check_fence(ROLL_BACK, fencing_token())
            failpoint("undo.begun")
            for step in request.steps:
                try:
                    await in_thread(_STEPS[step.step], execution, step)
                except UndoBlocked as error:
                    execution.keep_blocked()
                    raise ApplicationError(
                        str(error), error.commands, type=UndoBlocked.__name__, non_retryable=True
                    ) from None
                except (GitError, OSError) as error:
                    commands = await in_thread(_by_hand, execution, step)
                    raise ApplicationError(str(error), commands, type=failures.ROLLBACK_FAILED.type) from None
            await in_thread(execution.remove_attempts)
            failpoint("undo.done")


def _reset_head(execution: ExecutionStore, step: Compensation) -> None:
    Hub(Path(step.hub)).update_ref(execution.head_ref, step.to or "")


def _remove_branch(execution: ExecutionStore, step: Compensation) -> None:
    """Remove a branch of ours that still is where we put it; one that somebody moved is theirs now."""
    hub, workspace, delivered = Hub(Path(step.hub)), execution.workspace(), execution.delivered()
    if delivered is None:
        return
    branch, head = delivered
    reference, modules = f"refs/heads/{branch}", execution.submodules(hub)
    lowered = modules.lowered(step.head or "")
    holds = workspace.git("rev-parse", "--verify", "--quiet", reference, codes=(0, 1)).decode().strip()
    if holds == head:
        refused = hub.take_back(workspace, holds, reference)
        if refused is not None:
            raise GitError(["update-ref", "-d", reference], 1, refused)
    for module, commit in modules.homes(lowered, workspace):
        hub.take_back(module, commit, reference)


def _bring_back_tree(execution: ExecutionStore, step: Compensation) -> None:
    hub = Hub(Path(step.hub))
    with hub.locked():
        tree_delivery_of(execution, hub).undo()


def _by_hand(execution: ExecutionStore, step: Compensation) -> list[str]:
    if step.step == "apply":
        return tree_delivery_of(execution, Hub(Path(step.hub))).commands()
    if step.step == "head":
        return [shlex.join(["git", "--git-dir", step.hub, "update-ref", execution.head_ref, step.to or ""])]
    # Compare and swap here too: a branch that is not where we put it is not ours to delete.
    branch, head = execution.delivered() or ("", "")
    reference = f"refs/heads/{branch}"
    return [shlex.join(["git", "-C", execution.workspace().path, "update-ref", "-d", reference, head])]


_STEPS = {"head": _reset_head, "branch": _remove_branch, "apply": _bring_back_tree}
