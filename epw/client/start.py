"""Start of executions, after a check of all that can be checked before anything runs."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from activities.agents.environment import missing_variables
from activities.agents.registry import require_agents, require_bash
from activities.attempt.include import check_included
from activities.git.command import require_git
from activities.git.secret_files import advice
from activities.git.workspace import Workspace
from activities.sandbox.levels import require_sandbox
from activities.state.host import host_name, machine_name
from epw.client.plan_file import PlanFile
from epw.core.amounts import count
from epw.core.errors import InvalidPlan, InvalidRequest, Problem, Unavailable
from epw.core.messages import HOST_MEMO, TASK_QUEUE, WORKFLOW_TYPE
from epw.core.plan.git_url import is_url
from epw.core.plan.model import Plan
from epw.core.plan.packed import packed
from epw.core.redrive import Redrive
from epw.service.connection import Connection
from epw.service.pollers import polling_hosts

PLAN_SOURCE = "epwPlan"
"""Key of the memo that names the plan's file, and its content's digest."""


def check_runnable(plan: Plan, *, here: bool = False, without_agent: str = "") -> list[str]:
    """Check what can be checked before anything starts: git, bash, the workspace; raises `InvalidPlan`, `Unavailable`.

    Returns what a user should know before the start, in words.
    `here`: the plan is run by a worker that this command starts, so that its agents are checked too; `without_agent`:
    what a user can do where one is not available.
    """
    if here:
        try:
            require_agents(plan)
        except Unavailable as error:
            raise Unavailable(f"{error}{without_agent}") from None
        require_sandbox(plan)
        if missing := missing_variables(plan):
            raise Unavailable(f"passEnv: {', '.join(missing)} not set here, where the plan is to run")
    if plan.workspace is not None or plan.has_commands:
        require_git()
        if here:
            require_bash()
    if plan.workspace is not None and is_url(plan.workspace):
        # The worker that prepares it asks the URL: it has the credentials.
        check_included(plan, None)
        return []
    if plan.workspace is not None:
        workspace = _able(Workspace.read(plan.workspace), plan)
        return [f"warning: {each}" for each in _warnings(workspace, plan)]
    return []


def _able(workspace: Workspace, plan: Plan) -> Workspace:
    """The workspace, at the plan's base; raises `InvalidPlan` with all that it has not for the plan."""
    problems = list[Problem]()
    try:
        workspace.check_delivery(plan)
    except InvalidPlan as error:
        problems += error.problems
    try:
        check_included(plan, Path(workspace.path))
    except InvalidPlan as error:
        problems += error.problems
    try:
        if plan.base is not None and workspace.kind == "git":
            workspace = workspace.at(plan.base)
    except InvalidPlan as error:
        problems += error.problems
    if problems:
        raise InvalidPlan(problems)
    return workspace


def _warnings(workspace: Workspace, plan: Plan) -> Iterator[str]:
    """What a user should know of a workspace before an execution starts in it."""
    yield from advice(workspace.left_out, plan.included)
    if workspace.kind == "git" and not workspace.bare and workspace.branch is None and plan.base is None:
        yield (
            f"HEAD of {workspace.path} is on no branch: what is committed or merged there is on none; "
            "`git switch -c NAME` makes one"
        )


async def start_execution(
    connection: Connection,
    file: PlanFile,
    execution_id: str | None,
    redrive: Redrive | None = None,
    *,
    host: str | None = None,
) -> WorkflowHandle[Any, Any]:
    """Start the workflow; raises `InvalidRequest` where an execution of this id exists.

    `host`: the one whose worker reads a directory workspace, by default this one.
    """
    plan = file.plan
    chosen = new_id(file.name) if execution_id is None else execution_id
    if not 1 <= len(chosen) <= 200 or not chosen.isprintable():
        raise InvalidRequest("an execution's id has 1 to 200 printable characters")
    summary = f"{file.name or 'plan'}: {count(len(plan.tasks), 'task')}, {plan.strategy}"
    lines = [f"- {task.id}: {' '.join(task.description.split())[:100]}" for task in plan.tasks[:50]]
    try:
        started = await connection.client.start_workflow(
            WORKFLOW_TYPE,
            args=[packed(file.document)] if redrive is None else [packed(file.document), redrive],
            id=chosen,
            task_queue=TASK_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            static_summary=summary[:200],
            static_details="\n".join(lines),
            memo=_memo(connection, file, host),
        )
    except WorkflowAlreadyStartedError:
        ways = f"`epw run --resume {chosen}`, `epw watch {chosen}`, or another --id"
        raise InvalidRequest(f"an execution {chosen} exists already: {ways}") from None
    # Without a run id it follows a reset to the new run.
    return connection.client.get_workflow_handle(started.id)


def _memo(connection: Connection, file: PlanFile, host: str | None) -> dict[str, Any]:
    memo: dict[str, Any] = {} if file.source is None else {PLAN_SOURCE: vars(file.source)}
    if host is None and connection.state is not None:
        host = host_name(connection.state)
    return {**memo, HOST_MEMO: host} if host is not None and is_here(file.plan) else memo


def is_here(plan: Plan) -> bool:
    """Whether the workspace is a directory of this machine."""
    return plan.workspace is not None and not is_url(plan.workspace) and Path(plan.workspace).exists()


async def host_for(connection: Connection) -> str | None:
    """The host whose worker is to read a directory of this machine: this one, or where only that works, another's.

    Another state directory of this machine has a host of its own.
    """
    if connection.state is None:
        return None
    own, polling = host_name(connection.state), await polling_hosts(connection.client, TASK_QUEUE)
    beside = [each for each in polling if each.startswith(f"{machine_name()}-")]
    return own if own in polling or not beside else beside[0]


def new_id(name: str | None) -> str:
    """Readable id that no other execution has."""
    plain = unicodedata.normalize("NFKD", (name or "run").casefold()).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].rstrip("-") or "run"
    return f"{words}-{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
