"""Report of an execution, ended or going on: its result, plan, timeline and diffs, and where it leads."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from activities.git.many_changes import parents_of, patches_of
from activities.state.execution_store import ExecutionStore
from epw.client.activity_runs import activity_runs, history_of
from epw.client.documents import describe, document_of, progress_of
from epw.client.next_commands import next_commands
from epw.client.saved_changes import KnownExecution
from epw.client.so_far import so_far
from epw.client.started_plan import plan_in, with_added
from epw.core.decisions.questions import placeholder
from epw.core.errors import GitError
from epw.core.plan.validate import read_plan
from epw.core.report.assembly import assembled
from epw.core.report.diffs import shown_diffs
from epw.core.report.model import OPEN, ExecutionResult
from epw.core.report.report import Report, Step, TaskDiff
from epw.service.connection import Connection
from epw.settings import Settings


async def report_of(settings: Settings, connection: Connection, execution_id: str, *, has_diffs: bool = True) -> Report:
    """The report of an execution; raises `InvalidRequest` where there is none of this id."""
    handle = connection.client.get_workflow_handle(execution_id)
    described = await describe(handle)
    result = await document_of(settings, handle, described)
    known = KnownExecution(result, ExecutionStore.of(settings.state, described))
    events, converter = await history_of(handle), connection.client.data_converter
    document = with_added(await plan_in(events[0], converter), result)
    if result["status"] in OPEN:
        live = await progress_of(connection, described)
        result["soFar"] = so_far(result, described, live, document)
        result["progress"] = [each.model_dump(by_alias=True) for each in live.values()]  # type: ignore[misc]
    report = assembled(
        read_plan(document, runnable=False),
        result,
        await activity_runs(events, converter, described.raw_description.pending_activities),
        made=round(time.time() * 1000),
        began=_milliseconds(described.start_time),
        ended=_milliseconds(described.close_time) if described.close_time else None,
    )
    return {**report, "diffs": _diffs(known) if has_diffs else [], "next": _next(known)}


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _diffs(known: KnownExecution) -> list[TaskDiff]:
    """Diffs of the changes that the hub on this machine has."""
    hub, commits = known.hub, {row["taskId"]: row["commit"] for row in known.document["results"] if row["commit"]}
    if hub is None or not commits:
        return []
    try:
        patches = patches_of(hub, parents_of(hub, list(dict.fromkeys(commits.values()))))
    except GitError:
        return []
    return shown_diffs({task_id: patches.get(commit, b"") for task_id, commit in commits.items()})


def _next(known: KnownExecution) -> list[Step]:
    """Commands that lead on, as they are typed in the workspace."""
    if known.document["status"] in OPEN:
        return list(_while_it_goes_on(known.document))
    try:
        here = Path(known.workspace.path) if known.workspace is not None else Path.cwd()
        return [{"command": each.command, "purpose": each.purpose} for each in next_commands(known, here)]
    except (GitError, OSError):
        return []


def _while_it_goes_on(result: ExecutionResult) -> Iterator[Step]:
    of_conflicts = {each["questionId"]: each["id"] for each in result["conflicts"] if "questionId" in each}
    open_ones = [each for each in result["questions"] if each["answer"] is None]
    for each in open_ones:
        if each["id"] in of_conflicts:
            words = ["resolve", result["executionId"], of_conflicts[each["id"]]]
        else:
            words = ["answer", result["executionId"], each["id"]]
        yield {"command": f"{shlex.join(['epw', *words])} {placeholder(each['options'])}", "purpose": each["text"]}
    yield {"command": shlex.join(["epw", "watch", result["executionId"]]), "purpose": "follow it to its end"}
    if result["status"] == "paused":
        yield {"command": shlex.join(["epw", "resume", result["executionId"]]), "purpose": "go on"}
