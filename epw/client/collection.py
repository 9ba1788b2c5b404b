"""Collection of what ended executions keep in the state directory, never of work that exists nowhere else unasked."""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowExecutionDescription
from temporalio.service import RPCError

from activities.attempt.unsaved import unsaved
from activities.checkers.judgement_files import is_judgement, was_killed
from activities.git import broken_refs
from activities.git.hub import Hub
from activities.git.task_commits import saved_work
from activities.git.url_large import LARGE_FILES
from activities.state.execution_store import ExecutionStore
from activities.state.state_directory import StateDirectory
from activities.system.directories import Trash, disk_usage, size_of
from epw.client.documents import document_of
from epw.client.elsewhere import saved_alone
from epw.client.mending import mend_hub, mended
from epw.core.errors import EpwError, GitError, UrlAway, UrlDenied, UrlRefuses
from epw.core.execution.exit_status import STATUS_OF_TEMPORAL
from epw.core.report.model import ExecutionResult
from epw.service.connection import Connection
from epw.service.janitor import described_run
from epw.settings import Settings

RUNNING = "it is running"
DAY = 86_400
_HOUR = 3600
_LOST_DAYS = 14
_MAX_SAID = 300


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
        await asyncio.to_thread(mended, execution)
        handle = connection.client.get_workflow_handle(execution.workflow_id, run_id=described.run_id)
        document = found.document = await document_of(settings, handle, described)
        of_each = [saved_work(hub, execution.ref(of)) for of in ("tasks", "left", "kept")] if hub is not None else []
        saved = [row["commit"] for rows in of_each for row in rows]
        found.changes = len(saved)
        if hub is not None:
            found.alone = len(saved_alone(execution, hub, document, saved))
            found.size = await asyncio.to_thread(_size_of, execution, hub)
    except (EpwError, RPCError, OSError, ValueError) as error:
        found.kept_because = f"what it has saved cannot be judged: {error}"[:200]
        return found
    found.size += size_of(execution.path)
    if not ids and hub is not None and (lost := broken_refs.lost(hub.path, execution.ref())):
        name = shlex.quote(execution.workflow_id)
        found.kept_because = f"{broken_refs.sentence(lost)}; `epw gc {name}` removes what is left"
    elif found.alone and not ids:
        name, verb = shlex.quote(execution.workflow_id), "exists" if found.alone == 1 else "exist"
        found.kept_because = (
            f"{found.alone} of its saved changes {verb} nowhere else: `epw salvage {name}` shows what is saved, "
            f"`epw gc {name}` removes it"
        )
    return found


def _size_of(execution: ExecutionStore, hub: Hub) -> int:
    try:
        return hub.size_of(execution.ref())
    except GitError as error:
        # Broken refs of others count here too.
        if not broken_refs.is_sign(error) or not mend_hub(execution.state, hub.path):
            raise
        return hub.size_of(execution.ref())


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
        broken_refs.forget(hub.path, execution.ref())
    execution.remove()


def _delete_on_url(execution: ExecutionStore) -> None:
    if (refs := execution.own_url_refs()) is not None:
        refs.delete()


def used_on_disk(state: StateDirectory) -> int:
    """Bytes on disk of what `gc` may remove something of."""
    parts = (state.path / "hubs", state.path / "executions", state.setups, state.all_checks)
    return sum(disk_usage(each) for each in parts if each.is_dir())


def collect(state: StateDirectory, *, unused_setups: bool, ended: Collection[str], began: float) -> list[str]:
    """Remove what no ref reaches, and with `unused_setups` the caches; a sentence for each hub that was left alone.

    `ended`: keys of the executions that had ended at `began`, epoch seconds; what was written later stays in any case.
    """
    said = []
    for path in state.hubs():
        try:
            if not Hub(path).collect_garbage(partial(_written_before, state, path, ended, began)):
                said.append(f"nothing of {path} was freed: somebody works in it")
            if broken_refs.lost(path, "refs"):
                mend_hub(state, path)
        except GitError as error:
            said.append(f"nothing of {path} was freed: {error}"[:_MAX_SAID])
        if unused_setups:
            Trash(state.trash).take(path / LARGE_FILES)
    if unused_setups:
        Trash(state.trash).take(state.setups)
        Trash(state.trash).take(state.all_checks)
    return said


def _written_before(state: StateDirectory, hub: Path, ended: Collection[str], began: float) -> int:
    """Time up to which nobody can need what no ref reaches: one who is at work in the hub may have it in hand."""
    if broken_refs.lost(hub, "refs"):
        # Of what is lost, the rest may still be dug out by hand.
        return int(began - _LOST_DAYS * DAY)
    at_work = any(each.key not in ended and _may_use(each, hub) for each in ExecutionStore.all(state))
    return int(began) - (_HOUR if at_work else 1)


def _may_use(execution: ExecutionStore, hub: Path) -> bool:
    workspace = execution.known_workspace()
    return workspace is None or execution.state.hub(workspace.place) == hub
