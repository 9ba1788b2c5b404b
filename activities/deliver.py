"""Deliver: hand the final head over, once, as a branch of the user's repository or into their work tree."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from temporalio import activity

from activities.apply import finish_commands
from activities.apply.tree_delivery import TreeDelivery
from activities.attempt.unsaved import remove_attempts
from activities.checkers.delivery_review import DeliveryReview, Unread
from activities.checkers.landing_checks import LandingChecks
from activities.git import own_commits, transfer
from activities.git.branch_history import BranchHistory
from activities.git.hub import Hub
from activities.git.secret_commits import refusal, secrets_added
from activities.git.submodules.submodules import Lowered
from activities.git.task_commits import task_of
from activities.git.url_branch import push_branch
from activities.git.url_git import UrlGit
from activities.git.user_git import UserGit
from activities.git.workspace import Workspace
from activities.state.activity_scope import activity_scope, current_execution, not_retried
from activities.state.execution_store import ExecutionStore
from activities.state.fence import check_fence, fencing_token
from activities.state.plan_source import PlanSource, RunningPlan
from activities.state.state_directory import StateDirectory
from activities.system.concurrency import in_thread
from activities.system.failpoints import failpoint
from epw.core.errors import Fenced, GitError, Refused, UrlDenied
from epw.core.execution.delivery import CleanUpRequest, Delivered, DeliverRequest, Delivery, finish_push
from epw.core.messages import CLEAN_UP, DELIVER
from epw.core.plan.model import Task
from epw.core.report.commit_message import commit_message

_MAX_NAMES = 20


class Deliverer:
    """The activities `deliver` and `clean_up`."""

    def __init__(self, state: StateDirectory, plans: PlanSource) -> None:
        self._state = state
        self._plans = plans

    @activity.defn(name=DELIVER)
    async def deliver(self, request: DeliverRequest) -> Delivered:
        """Deliver as `mode` says; a repeated delivery finds what the first one did.

        `branch` writes objects and one ref, `push` one branch of the URL, `apply` the changed files. A refusal is a
        result, with the commands that finish the delivery by hand; a merge that checkers have to read first is one too.
        Raises `Fenced`, not retried, where a later activity of the execution has begun.
        """
        execution = current_execution(self._state, request)
        try:
            async with activity_scope(self._state, execution.key + "/deliver"):
                running = await self._plans.of_current_execution()
                try:
                    found: Delivery = await in_thread(_deliver, execution, request, running, fencing_token())
                except Unread as unread:
                    return Delivered(mode=request.mode, to_check=unread.request)
                delivered = Delivered(**found.model_dump())
                (await in_thread(partial(remove_attempts, execution, is_awaited=True))).told(execution)
        except Fenced as error:
            raise not_retried(error) from None
        return delivered

    @activity.defn(name=CLEAN_UP)
    async def clean_up(self, request: CleanUpRequest) -> None:
        """Remove what an ended execution needs no more: records of a delivery that stays, directories of attempts."""
        execution = current_execution(self._state, request)
        async with activity_scope(self._state, execution.key + "/clean-up"):
            if request.hub is not None:
                await in_thread(_clean_up, execution, execution.hub_at(request.hub))
            if request.directories:
                (await in_thread(partial(remove_attempts, execution, is_awaited=True))).told(execution)


def _deliver(
    execution: ExecutionStore, request: DeliverRequest, running: RunningPlan, now: tuple[int, int]
) -> Delivery:
    hub = execution.hub_at(request.hub)
    with hub.locked(), hub.in_use():
        check_fence(execution, DELIVER, now)
        if request.refused_because is not None:
            return _refused(execution, request, request.refused_because)
        failpoint("deliver.begun")
        if not Path(execution.workspace().path).is_dir() and not execution.has_half_delivery():
            return _refused(execution, request, f"{execution.workspace().path} is not there any more")
        if execution.workspace().leads_elsewhere:
            return _refused(
                execution, request, f"{execution.workspace().path} leads to another place than at the start"
            )
        try:
            delivered = _DELIVERIES[request.mode](execution, hub, request, running)
        except UrlDenied as error:
            return _refused(execution, request, str(error))
        except GitError as error:
            if execution.has_half_delivery():
                raise
            return _refused(execution, request, " ".join(str(error).split())[:500])
        failpoint("deliver.done")
        return delivered


def _deliver_branch(execution: ExecutionStore, hub: Hub, request: DeliverRequest, running: RunningPlan) -> Delivery:
    """Make a new branch; where the name is taken, with `-2`, `-3`, ..."""
    workspace, wanted = execution.workspace(), request.branch or ""
    modules = execution.submodules(hub)
    each_lowered = modules.each_lowered(request.head)
    base, handed_over = (
        each_lowered(request.base).commit,
        modules.missing_commits(each_lowered(request.head), workspace),
    )
    head, joined = _write_history(execution, hub, request, each_lowered, running.tasks)
    refused = None
    for number in range(1, _MAX_NAMES + 1):
        branch = wanted if number == 1 else f"{wanted}-{number}"
        reference = f"refs/heads/{branch}"
        holds = workspace.resolve_ref(reference)
        ours = holds == head and execution.delivered() == (branch, head)
        if holds and not ours:
            continue
        execution.keep_delivered(branch, head)
        # A branch below the name (`epw/x/y` beside `epw/x`) is refused too: the next number may succeed.
        # Submodules first: the branch points to their commits.
        refusals = (_hand_over(hub, module, commit, reference) for module, commit in handed_over)
        refused = next(filter(None, refusals), None)
        refused = refused or (None if ours else transfer.hand_over(hub, workspace, head, reference))
        if refused is None:
            more = finish_commands.of_branch(execution, hub, request.head, branch)
            return Delivery(
                mode="branch", base=base, head=head, branch=branch, finish_with=more, warnings=joined[:_MAX_NAMES]
            )
    return _refused(execution, request, refused or f"{_MAX_NAMES} branches named {wanted} exist")


def push(
    execution: ExecutionStore,
    hub: Hub,
    request: DeliverRequest,
    running: RunningPlan,
    *,
    publish_secrets: bool = False,
) -> Delivery:
    """Push a new branch to the git URL; where the name is taken, with `-2`, `-3`, ... Blocking.

    `publish_secrets`: also one that adds files which look like secrets. Raises `UrlAway`, `UrlDenied`.
    """
    workspace, modules = execution.workspace(), execution.submodules(hub)
    head, joined = _write_history(execution, hub, request, modules.each_lowered(request.head), running.tasks)
    url = UrlGit(hub.path, workspace.url or "")
    if not publish_secrets and (secrets := secrets_added(UserGit(hub.path), request.base, head)):
        why = f"the branch is not pushed: {refusal(secrets, 'deliver', execution.workflow_id)}"
        # The same command again would be refused again.
        return _refused(execution, request, why).model_copy(update={"finish_with": []})
    branch, why = push_branch(url, request.branch or "", head, lambda each: execution.keep_delivered(each, head))
    if branch is None:
        return _refused(execution, request, f"{url.url} has not taken the branch: {why}")
    return Delivery(mode="push", base=request.base, head=head, branch=branch, warnings=joined[:_MAX_NAMES])


def _write_history(
    execution: ExecutionStore,
    hub: Hub,
    request: DeliverRequest,
    each_lowered: Callable[[str], Lowered],
    tasks: Mapping[str, Task],
) -> tuple[str, list[str]]:
    """The last commit of the branch, and what there is to say of it."""

    def message(trailers: Mapping[str, str]) -> str:
        task_id = task_of(trailers)
        description = tasks[task_id].description if task_id in tasks else request.added.get(task_id, "")
        return commit_message(task_id, description, trailers)

    history = BranchHistory(hub, request.base, request.head, lambda each: each_lowered(each).commit, message)
    ref = execution.ref("branch")
    if request.commits == "keep":
        return history.kept(ref, own_commits.read_ranges(hub, execution.ref("commits")))
    return history.squashed(ref), []


def _hand_over(hub: Hub, module: Workspace, commit: str, reference: str) -> str | None:
    """Make a ref to a submodule's commit in its own repository, unless it is there; returns why that is refused."""
    refused = None if module.resolve_ref(reference) == commit else transfer.hand_over(hub, module, commit, reference)
    return None if refused is None else f"{module.path}: {refused}"


def _deliver_into_tree(execution: ExecutionStore, hub: Hub, request: DeliverRequest, running: RunningPlan) -> Delivery:
    review = DeliveryReview(request, hub, LandingChecks.of(running.plan, execution))
    try:
        TreeDelivery.of(execution, hub, request.head).apply(request.base, request.head, review)
    except Refused as error:
        return _refused(execution, request, str(error))
    more = finish_commands.of_tree(execution, hub, request.head)
    return Delivery(mode="apply", base=request.base, head=request.head, finish_with=more)


def _refused(execution: ExecutionStore, request: DeliverRequest, why: str) -> Delivery:
    return Delivery(
        mode=request.mode,
        base=request.base,
        head=request.head,
        refused_because=why,
        finish_with=_finish_commands(execution, request),
    )


def _finish_commands(execution: ExecutionStore, request: DeliverRequest) -> list[str]:
    """Commands by which the user can bring the head into the workspace despite the refusal."""
    workspace = execution.workspace()
    if request.mode == "push":
        return finish_push(execution.workflow_id)
    if request.mode == "apply":
        return finish_commands.of_refused_tree(
            execution.hub_at(request.hub), request.base, request.head, Path(workspace.path)
        )
    branch = f"delivered-{(request.branch or execution.ref()).replace('/', '-')}"
    hub, written = execution.hub_at(request.hub), execution.ref("branch")
    ref = written if hub.resolve(written) else execution.head_ref
    fetch = ["git", "-C", workspace.path, "fetch", str(hub.path), f"{ref}:refs/heads/{branch}"]
    return [shlex.join(fetch)]


def _clean_up(execution: ExecutionStore, hub: Hub) -> None:
    with hub.locked():
        failpoint("clean.begun")
        TreeDelivery.of(execution, hub).clean_up()
    failpoint("clean.done")


_DELIVERIES = {"branch": _deliver_branch, "apply": _deliver_into_tree, "push": push}
