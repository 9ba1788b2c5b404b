"""Prepare: check the plan's needs, snapshot the workspace into the hub, bind the execution to this host."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import cache
from pathlib import Path

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.agents.registry import require_agents, require_bash
from activities.apply.tree_delivery import finish_interrupted
from activities.attempt.include import check_included
from activities.forges.pull_request import check_target
from activities.git import kept_files, own_commits, secret_files
from activities.git.command import require_git
from activities.git.hub import Hub
from activities.git.merge_attributes import keep_user_settings
from activities.git.snapshot import snapshot
from activities.git.submodules.submodules import Submodules
from activities.git.workspace import Workspace
from activities.notices.variables import check_variables
from activities.sandbox.levels import require_sandbox
from activities.state.activity_scope import activity_scope, current_execution, not_retried
from activities.state.execution_store import ExecutionStore
from activities.state.fence import check_fence, fencing_token
from activities.state.plan_source import PlanSource, RunningPlan
from activities.state.state_directory import StateDirectory
from activities.state.url_start import publish, start_from_url, take_over_refs
from activities.system.concurrency import in_thread
from activities.system.failpoints import failpoint
from activities.system.server_time import began_ms
from epw.core.errors import InvalidPlan, Problem, Unavailable
from epw.core.messages import NOT_HERE, PREPARE, Prepared, PrepareRequest
from epw.core.naming import slug
from epw.core.plan.git_url import is_url
from epw.core.plan.model import Plan
from epw.core.queues import host_queue, steps_queue
from epw.core.redrive import Redrive


class Preparer:
    """The activity `prepare`."""

    def __init__(
        self,
        state: StateDirectory,
        plans: PlanSource,
        queue: str,
        host: str,
        search_attributes: Callable[[], Awaitable[bool]],
        hosts: Callable[[], Awaitable[list[str]]],
        host_patience: timedelta,
    ) -> None:
        """`queue`: the shared one; `host`: name of this host; `hosts`: names of all hosts that have workers now.

        `host_patience`: how long attempts wait for the host that has their conversation.
        """
        self._state = state
        self._plans = plans
        self._queue = queue
        self._host = host
        self._search_attributes = search_attributes
        self._hosts = hosts
        self._host_patience = host_patience

    @activity.defn(name=PREPARE)
    async def prepare(self, request: PrepareRequest) -> Prepared:
        """Make what the execution works on; raises `InvalidPlan` or `Unavailable`, not retried."""
        known = await self._search_attributes()
        if request.has_commands or request.has_workspace:
            await in_thread(_require_tools)
        needs_host = request.has_models or request.needs_sandbox or request.has_notices
        if not request.has_workspace and not needs_host:
            # The first tasks need the plan in a moment.
            self._plans.begin()
            return Prepared(steps_queue=steps_queue(self._queue), search_attributes=known, worker_since=began_ms())
        running = await self._plans.of_current_execution()
        await self._require_here(request, running.plan)
        execution = current_execution(self._state, request)
        try:
            async with activity_scope(self._state, execution.key + "/prepare"):
                prepared = self._bound()
                check_variables(running.plan)
                if request.needs_sandbox or request.has_models:
                    await in_thread(require_sandbox, running.plan)
                if request.has_models:
                    prepared = prepared.model_copy(update={"model": await in_thread(self._model, running)})
                if request.has_workspace:
                    start = self._from_url if is_url(running.plan.workspace or "") else self._snapshot
                    snapshot: Prepared = await in_thread(start, execution, running)
                    prepared = snapshot.model_copy(update={"model": prepared.model})
        except (InvalidPlan, Unavailable) as error:
            raise not_retried(error) from None
        return prepared.model_copy(update={"search_attributes": known, "worker_since": began_ms()})

    async def _require_here(self, request: PrepareRequest, plan: Plan) -> None:
        """Refuse a workspace that another host may have, so that the workflow asks there."""
        if not request.has_workspace or not request.may_be_elsewhere or Path(plan.workspace or "").exists():
            return
        others = [each for each in await self._hosts() if each not in (self._host, *request.asked)]
        if others or request.asked:
            message = f"{plan.workspace} is not on {self._host}"
            raise ApplicationError(message, self._host, others, type=NOT_HERE, non_retryable=True)

    def _model(self, running: RunningPlan) -> str | None:
        """The model of tasks that name none; None: every program has its own."""
        model = None
        if running.plan.calls_account:
            # Imported here: it takes seconds, and most plans have no model.
            from activities.model_api.models import resolve_model

            model = resolve_model(running.plan, self._state)
        require_agents(running.plan)
        return model

    def _snapshot(self, execution: ExecutionStore, running: RunningPlan) -> Prepared:
        plan = running.plan
        workspace = Workspace.read(plan.workspace or "")
        check_included(plan, Path(workspace.path))
        workspace.check_delivery(plan)
        if plan.pull_request is not None:
            check_target(workspace.path)
        if plan.base is not None:
            workspace = workspace.at(plan.base)
        workspace = workspace.leaving_out(self._state.path)
        hub = Hub.created(self._state.hub(workspace.path))
        hub.check_intact()
        keep_user_settings(hub, workspace)
        with hub.locked(), hub.in_use():
            # A repeated prepare uses its first snapshot, whatever the user has done since.
            base = hub.resolve(execution.ref("base"))
            if base is None:
                finish_interrupted(hub)
                failpoint("prepare.begun")
                if running.redrive is not None and running.redrive.base is not None:
                    base = _earlier_base(hub, execution, running.redrive.base)
                else:
                    base = snapshot(hub, workspace, execution.ref("base"), int(time.time()), plan.base is not None)
                failpoint("prepare.snapshot")
            modules = Submodules(hub, base, execution.ref)
            known = {path: Workspace.read(str(Path(workspace.path, path))) for path in modules.start.pointers}
            execution.keep_workspace(workspace.model_copy(update={"modules": known}), base)
            failpoint("prepare.kept")
        check_fence(execution, PREPARE, fencing_token())
        deliver = plan.deliver or workspace.default_delivery
        lost = _adopt_commits(hub, execution, running.redrive) if running.redrive else []
        update = {
            "hub": str(hub.path),
            "base": base,
            "deliver": deliver,
            "lost": lost,
            "warnings": _warnings(workspace.model_copy(update={"modules": known}), plan),
        }
        return self._bound().model_copy(update=update)

    def _bound(self) -> Prepared:
        """An execution that is bound to this host."""
        queue = host_queue(self._queue, self._host)
        return Prepared(task_queue=queue, steps_queue=steps_queue(queue))

    def _from_url(self, execution: ExecutionStore, running: RunningPlan) -> Prepared:
        """As `_snapshot`, of a git URL, whose refs are the truth: a budget alone binds the execution to a host."""
        plan, redrive = running.plan, running.redrive
        check_included(plan, None)
        started = start_from_url(execution, plan, redrive.base if redrive is not None else None)
        check_fence(execution, PREPARE, fencing_token())
        lost = []
        if redrive is not None:
            take_over_refs(execution, plan, ExecutionStore(execution.state, redrive.of, redrive.chain))
            lost = _adopt_commits(started.hub, execution, redrive)
        publish(execution, plan)
        update = {
            "hub": str(started.hub.path),
            "base": started.base,
            "deliver": plan.deliver or started.workspace.default_delivery,
            "lost": lost,
            "warnings": started.warnings,
        }
        seconds = self._host_patience.total_seconds()
        anywhere = Prepared(task_queue=self._queue, steps_queue=steps_queue(self._queue), host_patience_seconds=seconds)
        return (anywhere if plan.may_leave_host else self._bound()).model_copy(update=update)


def _warnings(workspace: Workspace, plan: Plan) -> list[str]:
    of_modules = (f"{path}/{each}" for path, module in workspace.modules.items() for each in module.left_out)
    return secret_files.advice([*workspace.left_out, *of_modules], plan.included)


def _earlier_base(hub: Hub, execution: ExecutionStore, base: str) -> str:
    if hub.resolve(base) is None:
        raise InvalidPlan([Problem("workspace", f"the commit to start from, {base[:12]}, is not in the hub any more")])
    hub.update_ref(execution.ref("base"), base)
    return base


def _adopt_commits(hub: Hub, execution: ExecutionStore, redrive: Redrive) -> list[str]:
    """Make refs of this execution to the reused commits; returns the tasks whose commit or kept files are gone."""
    earlier, lost = ExecutionStore(execution.state, redrive.of, redrive.chain), list[str]()
    own = own_commits.read_ranges(hub, earlier.ref("commits")) if redrive.chain else {}
    for task_id, commit in redrive.commits.items():
        if commit is None:
            continue
        if hub.resolve(commit) is None:
            lost.append(task_id)
        else:
            hub.update_ref(execution.ref("tasks", slug(task_id), execution.run_key[:8], "reused"), commit)
            execution.submodules(hub).keep_records(commit)
            if commit in own:
                own_commits.keep_range(hub, execution.ref("commits"), commit, *own[commit])
    there = kept_files.newest(hub, earlier.ref("kept")) if redrive.kept else {}
    for task_id in redrive.kept:
        if slug(task_id) in there:
            hub.update_ref(execution.ref("kept", slug(task_id), execution.run_key[:8], "reused"), there[slug(task_id)])
        else:
            lost.append(task_id)
    return lost


@cache
def _require_tools() -> None:
    require_git()
    require_bash()
