"""Roll back: undo the steps of an execution, newest first; doing it twice changes nothing more."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.apply.tree_delivery import TreeDelivery
from activities.attempt.unsaved import remove_attempts
from activities.git import transfer
from activities.git.url_branch import take_branch_back
from activities.git.url_git import UrlGit
from activities.state.activity_scope import activity_scope, current_execution
from activities.state.execution_store import ExecutionStore
from activities.state.fence import check_fence, fencing_token
from activities.state.state_directory import StateDirectory
from activities.system.concurrency import in_thread
from activities.system.failpoints import failpoint
from epw.core import failures
from epw.core.errors import GitError, UndoBlocked, UrlAway, UrlDenied
from epw.core.execution.delivery import Compensation, RollBackRequest
from epw.core.messages import ROLL_BACK


class RollBacker:
    """The activity `roll_back`."""

    def __init__(self, state: StateDirectory) -> None:
        self._state = state

    @activity.defn(name=ROLL_BACK)
    async def roll_back(self, request: RollBackRequest) -> None:
        """Undo each step; every task's commit stays reachable in the hub.

        The detail of a failure is the list of shell commands that finish by hand what is left. `UndoBlocked`, for what
        only the user can decide, is not retried.
        """
        execution = current_execution(self._state, request)
        async with activity_scope(self._state, execution.key + "/roll-back"):
            check_fence(execution, ROLL_BACK, fencing_token())
            failpoint("undo.begun")
            for step in request.steps:
                kind = COMPENSATIONS[step.step]
                try:
                    await in_thread(kind.undo, execution, step)
                except UndoBlocked as error:
                    execution.keep_blocked()
                    raise ApplicationError(
                        str(error), error.commands, type=UndoBlocked.__name__, non_retryable=True
                    ) from None
                except (GitError, UrlAway, UrlDenied, OSError) as error:
                    commands = await in_thread(kind.by_hand, execution, step)
                    raise ApplicationError(str(error), commands, type=failures.ROLLBACK_FAILED.type) from None
            (await in_thread(partial(remove_attempts, execution, is_awaited=True))).told(execution)
            failpoint("undo.done")


def _reset_head(execution: ExecutionStore, step: Compensation) -> None:
    execution.hub_at(step.hub).update_ref(execution.head_ref, step.to or "")


def _commands_for_head(execution: ExecutionStore, step: Compensation) -> list[str]:
    hub = str(execution.hub_at(step.hub).path)
    return [shlex.join(["git", "--git-dir", hub, "update-ref", execution.head_ref, step.to or ""])]


def _remove_branch(execution: ExecutionStore, step: Compensation) -> None:
    """Remove a branch that is still where the delivery put it; one that somebody has moved since is theirs."""
    hub, workspace, delivered = execution.hub_at(step.hub), execution.workspace(), execution.delivered()
    if delivered is None:
        return
    branch, head = delivered
    reference, modules = f"refs/heads/{branch}", execution.submodules(hub)
    lowered = modules.lowered(step.head or "")
    if workspace.resolve_ref(reference) == head:
        refused = transfer.take_back(workspace, head, reference)
        if refused is not None:
            raise GitError(["update-ref", "-d", reference], 1, refused)
    for module, commit in modules.repositories(lowered, workspace):
        transfer.take_back(module, commit, reference)


def _commands_for_branch(execution: ExecutionStore, step: Compensation) -> list[str]:
    # With the expected commit, so that git does not delete a branch that has been moved since.
    branch, head = execution.delivered() or ("", "")
    return [shlex.join(["git", "-C", execution.workspace().path, "update-ref", "-d", f"refs/heads/{branch}", head])]


def _remove_from_url(execution: ExecutionStore, step: Compensation) -> None:
    delivered, url = execution.delivered(), execution.workspace().url
    if delivered is None or url is None:
        return
    refused = take_branch_back(UrlGit(execution.hub_at(step.hub).path, url), *delivered)
    if refused is not None:
        raise GitError(["push", "--delete", delivered[0]], 1, refused)


def _commands_for_url(execution: ExecutionStore, step: Compensation) -> list[str]:
    (branch, head), url = execution.delivered() or ("", ""), execution.workspace().url or ""
    return [shlex.join(["git", "push", f"--force-with-lease=refs/heads/{branch}:{head}", url, f":refs/heads/{branch}"])]


def _restore_work_tree(execution: ExecutionStore, step: Compensation) -> None:
    hub = execution.hub_at(step.hub)
    with hub.locked():
        TreeDelivery.of(execution, hub).undo()


def _commands_for_work_tree(execution: ExecutionStore, step: Compensation) -> list[str]:
    return TreeDelivery.of(execution, execution.hub_at(step.hub)).commands()


class _Compensation(NamedTuple):
    """How one kind of step is undone."""

    undo: Callable[[ExecutionStore, Compensation], None]
    by_hand: Callable[[ExecutionStore, Compensation], list[str]]
    """The shell commands that do the same, for a user to whom an error left them."""


COMPENSATIONS = {
    "head": _Compensation(_reset_head, _commands_for_head),
    "branch": _Compensation(_remove_branch, _commands_for_branch),
    "push": _Compensation(_remove_from_url, _commands_for_url),
    "apply": _Compensation(_restore_work_tree, _commands_for_work_tree),
}
