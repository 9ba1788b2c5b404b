"""Drop: the changes of an execution without some task's, built again from the same base. Nothing runs but `verify`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from activities.git.task_commits import landings
from epw.client.documents import describe
from epw.client.plan_file import PlanFile
from epw.client.redrive import RedrivePlan
from epw.client.saved_changes import KnownExecution
from epw.client.started_plan import plan_of, with_added
from epw.core.errors import InvalidRequest
from epw.core.naming import ref_component
from epw.core.plan.graph import TaskGraph
from epw.core.redrive import Redrive
from epw.core.report.model import OPEN
from epw.service.connection import Connection
from epw.settings import Settings

_REPLACED = (
    "strategy",
    "atomic",
    "onConflict",
    "on_conflict",
    "deliver",
    "base",
    "tasks",
    "pullRequest",
    "pull_request",
)
_WAY = {"strategy": "aggressive", "atomic": "task", "onConflict": ["merge", "skip"], "deliver": "branch"}
"""What does not merge without the dropped task is left out too, and the rest is delivered as a branch."""
_MAX_NAMES = 20


@dataclass(frozen=True)
class Drop:
    """A drop to start: its execution's plan, and the tasks of the original that it leaves out."""

    plan: RedrivePlan
    dropped: list[str]
    unfinished: list[str]
    """Those of `dropped` that had not succeeded: their changes are in no branch anyway."""
    execution_id: str


async def plan_drop(
    settings: Settings, connection: Connection, execution_id: str, task_id: str, new_id: str | None = None
) -> Drop:
    """Choose what stays; starts nothing. Raises `InvalidRequest` where nothing can be built without the task."""
    known = await KnownExecution.of(settings, connection, execution_id)
    row, workspace, hub = known.task(task_id), known.workspace, known.hub
    if known.document["status"] in OPEN:
        raise InvalidRequest(
            f"execution {execution_id!r} is still running: `epw watch {shlex.quote(execution_id)}` to its end, "
            "or cancel it"
        )
    if workspace is None and known.store.kept_results():
        raise InvalidRequest(f"the changes of {execution_id!r} are gone: `epw gc` has removed them")
    if workspace is None or hub is None or workspace.kind != "git":
        raise InvalidRequest("drop makes a branch: that needs a git repository as workspace, on this machine")
    if workspace.modules:
        raise InvalidRequest("drop does not take repositories with submodules yet")
    if row["status"] != "succeeded":
        raise InvalidRequest(f"{task_id} is in no branch: it is {row['status']}")
    started = await plan_of(connection, connection.client.get_workflow_handle(execution_id))
    document = with_added(started, known.document)
    before = PlanFile.of(document).plan
    graph = TaskGraph.of_plan(before)
    dropped = [task_id, *graph.descendants([task_id])]
    kept = _in_order(known, graph, dropped)
    if not kept:
        delivery = known.document["delivery"]
        branch = delivery["branch"] if delivery is not None else None
        how = f"; `{shlex.join(['git', 'branch', '-D', branch])}` removes the branch" if branch else ""
        raise InvalidRequest(f"nothing is left without {', '.join(dropped)}{how}")
    commits = _changes(known, kept)
    if gone := [each for each, commit in commits.items() if commit is not None and hub.resolve(commit) is None]:
        raise InvalidRequest(f"the change of {gone[0]} is not in the hub any more: `epw gc` has removed it")
    tasks = [each for each in document["tasks"] if each["id"] in kept]
    way = {**_WAY, "deliver": "push"} if workspace.url is not None else _WAY
    reduced = {**{name: value for name, value in document.items() if name not in _REPLACED}, **way, "tasks": tasks}
    redrive = Redrive(
        of=execution_id,
        commits=commits,
        chain=known.store.run_id,
        kept=[each for each in kept if known.task(each).get("kept")],
        base=known.store.base(),
        order=kept,
    )
    chosen = new_id if new_id is not None else await _free_id(connection, execution_id, task_id)
    left_out = [task.id for task in before.tasks if task.id not in kept]
    unfinished = [each for each in left_out if known.task(each)["status"] != "succeeded"]
    return Drop(RedrivePlan(PlanFile.of(reduced), redrive, {}), left_out, unfinished, chosen)


def _in_order(known: KnownExecution, graph: TaskGraph, dropped: Sequence[str]) -> list[str]:
    """The tasks that stay, in the order in which they landed; those that had not, behind them."""
    order = dict.fromkeys([*known.document["landingOrder"], *graph.topological_order])
    return [each for each in order if each not in dropped and known.task(each)["status"] == "succeeded"]


def _changes(known: KnownExecution, kept: Sequence[str]) -> dict[str, str | None]:
    """The change of each task: as its agent made it, or as it landed where a conflict with a kept task was resolved."""
    resolved = {
        each["tasks"][0]
        for each in known.document["conflicts"]
        if each["resolution"] is not None and any(other in kept for other in each["tasks"][1:])
    }
    head, hub = known.store.head_ref, known.hub
    assert hub is not None
    landed = landings(hub, known.store.base(), head) if resolved and hub.resolve(head) else {}
    return {
        each: landed.get(each) if each in resolved and each in landed else known.task(each)["commit"] for each in kept
    }


async def _free_id(connection: Connection, execution_id: str, task_id: str) -> str:
    wanted = f"{execution_id}-without-{ref_component(task_id)}"[:190]
    for number in range(1, _MAX_NAMES + 1):
        each = wanted if number == 1 else f"{wanted}-{number}"
        try:
            await describe(connection.client.get_workflow_handle(each))
        except InvalidRequest:
            return each
    raise InvalidRequest(f"{_MAX_NAMES} executions named {wanted} exist: give --id")
