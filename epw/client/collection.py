"""Collection of what ended executions keep in the state directory, never of work that exists nowhere else unasked."""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass
from typing import Any

from temporalio.client import WorkflowExecutionDescription
from temporalio.service import RPCError

from activities.attempt.unsaved import unsaved
from activities.checkers.judgement_files import is_judgement, was_killed
from activities.git.hub import Hub
from activities.git.task_commits import saved_work
from activities.git.url_large import LARGE_FILES
from activities.state.execution_store import ExecutionStore
from activities.state.state_directory import StateDirectory
from activities.system.directories import Trash, disk_usage, size_of
from epw.client.documents import document_of
from epw.client.elsewhere import saved_alone
from epw.core.errors import EpwError, UrlAway, UrlDenied, UrlRefuses
from epw.core.execution.exit_status import STATUS_OF_TEMPORAL
from epw.core.report.model import ExecutionResult
from epw.service.connection import Connection
from epw.service.janitor import described_run
from epw.settings import Settings

RUNNING = "it is running"
DAY = 86_400


@dataclass
class Candidate:
    """Execution with files in the state directory."""

    execution: ExecutionStore
    kept_because: str | None = None
    document: ExecutionResult | None = None
    """Result document, stored before its commits are removed."""
    size: int = 0
    """Bytes that are freed by removing it."""
    changes: int = 0
    """Number of saved changes."""
    alone: int = 0
    """Number of saved changes that exist nowhere else."""
    ended_at: float = 0.0
    """Seconds since 1970; 0 where it is not known."""

    def row(self) -> dict[str, Any]:
        return {
            "executionId": self.execution.workflow_id,
            "bytes": self.size,
            "savedChanges": self.changes,
            "existNowhereElse": self.alone,
            **({"because": self.kept_because} if self.kept_because else {}),
        }


async def examined(
    settings: Settings, connection: Connection, execution: ExecutionStore, days: float, ids: list[str] | None
) -> Candidate:
    """What an execution keeps, and why that stays: it ended less than `days` ago, others than it are named (`ids`)."""
    found = Candidate(execution)
    if is_judgement(execution):
        found.size = size_of(execution.path)
        if not was_killed(execution):
            found.kept_because = RUNNING
        elif ids and execution.workflow_id not in ids:
            found.kept_because = "not named"
        return found
    try:
        described = await described_run(connection.client, execution)
    except RPCError:
        found.kept_because = "this server does not know it; remove its directory by hand"
        return found
    found.ended_at = described.close_time.timestamp() if described.close_time is not None else 0.0
    found.kept_because = _reason_to_keep(execution, described, days)
    if found.kept_because is None and not ids and (work := next(unsaved(execution), None)):
        found.kept_because = f"the work of {work[0]} could not be saved: it is in {work[1]}"
    if ids and execution.workflow_id not in ids:
        found.kept_because = found.kept_because or "not named"
    if found.kept_because is not None:
        return found
    hub = execution.hub()
    try:
        handle = connection.client.get_workflow_handle(execution.workflow_id, run_id=described.run_id)
        document = found.document = await document_of(settings, handle, described)
        of_each = [saved_work(hub, execution.ref(of)) for of in ("tasks", "left", "kept")] if hub is not None else []
        saved = [row["commit"] for rows in of_each for row in rows]
        found.changes = len(saved)
        if hub is not None:
            found.alone = len(saved_alone(execution, hub, document, saved))
            found.size = hub.size_of(execution.ref())
    except (EpwError, RPCError, OSError, ValueError) as error:
        found.kept_because = f"what it has saved cannot be judged: {error}"[:200]
        return found
    found.size += size_of(execution.path)
    if found.alone and not ids:
        name, verb = shlex.quote(execution.workflow_id), "exists" if found.alone == 1 else "exist"
        found.kept_because = (
            f"{found.alone} of its saved changes {verb} nowhere else: `epw salvage {name}` shows what is saved, "
            f"`epw gc {name}` removes it"
        )
    return found


def _reason_to_keep(execution: ExecutionStore, described: WorkflowExecutionDescription, days: float) -> str | None:
    """Reason why an execution is not removed; None where it may be."""
    if described.close_time is None:
        return RUNNING
    if time.time() - described.close_time.timestamp() < days * DAY:
        return f"it ended less than {days:g} days ago"
    if execution.has_half_delivery() or (execution.path / "apply/blocked").is_file():
        return "its roll-back is not finished"
    if described.status is not None and STATUS_OF_TEMPORAL.get(described.status.name) == "terminated":
        attended = (execution.path / "attempts").is_dir()
        return "its agents are still being ended" if attended else None
    return None


def remove(state: StateDirectory, candidate: Candidate, *, everywhere: bool = False) -> None:
    """Remove the files and refs of an execution; its result document stays.

    `everywhere`: also its refs on a git URL; where those cannot be deleted, all stays, and the candidate says why.
    """
    execution, hub = candidate.execution, candidate.execution.hub()
    try:
        if everywhere:
            _delete_on_url(execution)
    except (UrlAway, UrlDenied, UrlRefuses) as error:
        candidate.kept_because = f"its refs are still on the git URL: {error}"
        return
    if candidate.document is not None:
        execution.keep_results({**candidate.document})
    if hub is not None:
        hub.delete_refs(execution.ref())
    execution.remove()


def _delete_on_url(execution: ExecutionStore) -> None:
    if (refs := execution.own_url_refs()) is not None:
        refs.delete()


def used_on_disk(state: StateDirectory) -> int:
    """Bytes on disk of what `gc` may remove something of."""
    parts = (state.path / "hubs", state.path / "executions", state.setups, state.all_checks)
    return sum(disk_usage(each) for each in parts if each.is_dir())


def collect(state: StateDirectory, *, unused_setups: bool, at_work: bool) -> None:
    """Remove what no ref reaches, and with `unused_setups` the caches; `at_work`: whether an execution runs."""
    for path in state.hubs():
        # Where somebody is at work, new objects may be what no ref reaches yet.
        Hub(path).collect_garbage("1.hour.ago" if at_work else "now")
        if unused_setups:
            Trash(state.trash).take(path / LARGE_FILES)
    if unused_setups:
        Trash(state.trash).take(state.setups)
        Trash(state.trash).take(state.all_checks)
