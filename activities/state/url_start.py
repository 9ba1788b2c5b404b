"""Start of an execution on a git URL: its base in the hub of this host, and its first refs on the URL."""

from __future__ import annotations

from dataclasses import dataclass

from activities.git.command import list_paths
from activities.git.hub import Hub
from activities.git.merge_attributes import keep_user_settings
from activities.git.submodules.pointers import pointers
from activities.git.url_refs import UrlRefs
from activities.git.url_workspace import fetch_branches, has_branch, read_url
from activities.git.workspace import Workspace
from activities.state.execution_store import ExecutionStore
from activities.system.failpoints import failpoint
from epw.core.errors import InvalidPlan, Problem, UrlRefuses
from epw.core.naming import HIDDEN_REFS
from epw.core.plan.git_url import without_credentials
from epw.core.plan.model import Plan


@dataclass(frozen=True)
class Started:
    """The start of an execution, as every host with a worker can have it."""

    hub: Hub
    workspace: Workspace
    base: str
    warnings: list[str]


def start_from_url(execution: ExecutionStore, plan: Plan, earlier_base: str | None) -> Started:
    """Fetch the URL and choose the base; a repeated start uses the first one's, on whichever host that was.

    `earlier_base`: a commit of an earlier execution to start from. Raises `InvalidPlan`, `UrlAway`, `UrlDenied`.
    """
    refs = execution.url_refs(plan.workspace or "", plan.url_refs)
    hub = refs.hub
    hub.check_intact()
    with hub.locked(), hub.in_use():
        execution.take_over(hub, refs.pull(owns=True))
        base = hub.resolve(execution.ref("base"))
        if base is None:
            failpoint("prepare.begun")
            workspace = read_url(hub, refs.git, plan.base, plan.url_refs)
            if (plan.deliver or "push") == "push" and has_branch(hub, "epw"):
                message = 'a branch "epw" on the URL stands in the way of the branches epw/<id>: rename it there'
                raise InvalidPlan([Problem("deliver", message)])
            if plan.pull_request is not None and workspace.branch is None:
                raise InvalidPlan([Problem("pullRequest", "joins a branch: give `base` as one")])
            base = earlier_base or workspace.head or ""
            if hub.resolve(base) is None:
                raise InvalidPlan(
                    [Problem("workspace", f"the commit to start from, {base[:12]}, is not there any more")]
                )
            hub.update_ref(execution.ref("base"), base)
            failpoint("prepare.snapshot")
            keep_user_settings(hub, workspace)
            execution.keep_workspace(workspace, base)
            failpoint("prepare.kept")
        else:
            arrive(execution, refs)
    modules, warnings = [path for path, _ in pointers(hub, base)], []
    if modules:
        warnings = [f"submodules are left empty, as after a plain `git clone`: {list_paths(modules)}"]
    return Started(hub, execution.workspace(), base, warnings)


def arrive(execution: ExecutionStore, refs: UrlRefs) -> None:
    """Make the files of an execution whose refs are here, and which began on another host. Blocking."""
    if (execution.path / "base").is_file():
        return
    workspace, base = execution.workspace(), refs.hub.resolve(execution.ref("base")) or ""
    fetch_branches(refs.git)
    keep_user_settings(refs.hub, workspace)
    execution.keep_workspace(workspace, base)


def take_over_refs(execution: ExecutionStore, plan: Plan, earlier: ExecutionStore) -> None:
    """Fetch the refs of an earlier execution on the same URL."""
    earlier.url_refs(plan.workspace or "", plan.url_refs).pull(owns=False)


def publish(execution: ExecutionStore, plan: Plan) -> None:
    """Push the first refs; raises `InvalidPlan` where the URL does not take them, with what to do."""
    try:
        execution.url_refs(plan.workspace or "", plan.url_refs).push(owns=True)
    except UrlRefuses as error:
        remedy = "ask for leave to push"
        if plan.url_refs == HIDDEN_REFS:
            remedy = "where the server takes branches only, set `urlRefs: refs/heads/epw-refs` in the plan"
        raise InvalidPlan([Problem("workspace", f"{without_credentials(str(error))}; {remedy}")]) from None
