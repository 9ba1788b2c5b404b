"""Redrive: an execution that takes over what succeeded in an earlier one and would see nothing new."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import Any

from temporalio.client import WorkflowExecutionDescription, WorkflowHandle

from activities.state.execution_store import ExecutionStore
from epw.client.documents import describe, document_of
from epw.client.gone import gone_changes
from epw.client.plan_file import PlanFile, PlanSource
from epw.client.start import PLAN_SOURCE, start_execution
from epw.client.started_plan import plan_of, with_added
from epw.core.conflict_steps import APPLY_RENAME
from epw.core.errors import InvalidRequest
from epw.core.execution.reuse import reusable
from epw.core.redrive import Redrive
from epw.service.connection import Connection
from epw.settings import Settings


@dataclass(frozen=True)
class RedrivePlan:
    """Plan of a redrive: what is taken over, and why each other task runs again, by task id."""

    file: PlanFile
    redrive: Redrive
    reasons: dict[str, str]
    note: str = ""
    """Where the plan's file has changed since: that, and which of the two plans it is."""

    async def start(self, connection: Connection, execution_id: str | None) -> WorkflowHandle[Any, Any]:
        return await start_execution(connection, self.file, execution_id, self.redrive)


async def plan_redrive(
    settings: Settings, connection: Connection, earlier: str, changed: PlanFile | None = None
) -> RedrivePlan:
    """Compare an execution that has ended with the plan to run now (`changed`, or the same); starts nothing.

    Raises `InvalidRequest` for an execution that runs or is not known.
    """
    handle = connection.client.get_workflow_handle(earlier)
    described = await describe(handle)
    if described.close_time is None:
        raise InvalidRequest(
            f"execution {earlier!r} is still running: cancel it, or watch it to its end; retry_task runs one task"
        )
    document = await document_of(settings, handle, described)
    before = PlanFile.of(with_added(await plan_of(connection, handle), document))
    rows = {row["taskId"]: row for row in document["results"]}
    # What was rewritten stands in the merge, and not in the change that would be taken over.
    rewritten = [each["tasks"][0] for each in document["conflicts"] if each["resolution"] == APPLY_RENAME]
    after = changed or before
    store = ExecutionStore.of(settings.state, described)
    gone = await gone_changes(settings, handle, described, document, before.plan.workspace)
    commits, reasons = reusable(before.plan, after.plan, rows, rewritten, gone)
    kept = [task_id for task_id in commits if rows[task_id].get("kept")]
    note = ""
    if changed is None and (source := await _source(described)) is not None:
        after, note = replace(before, source=source), _changed_since(earlier, source)
    return RedrivePlan(after, Redrive(of=earlier, commits=commits, chain=store.run_id, kept=kept), reasons, note)


async def _source(described: WorkflowExecutionDescription) -> PlanSource | None:
    """The file that an execution's plan was read from, as it was then; None where it is not known."""
    known = (await described.memo()).get(PLAN_SOURCE)
    return PlanSource(known["path"], known["digest"]) if isinstance(known, dict) else None


def _changed_since(earlier: str, source: PlanSource) -> str:
    """Says that the plan's file is not what it was when the execution started; empty where it is, or is gone."""
    now = PlanSource.of(source.path)
    if now is None or now == source:
        return ""
    command = shlex.join(["epw", "retry", earlier, source.path])
    return f"{source.path} has changed since: this runs the plan as it was started; `{command}` runs the changed one"
