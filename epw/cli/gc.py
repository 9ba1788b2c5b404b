"""`gc`: removal of what ended executions saved, announced first; never of work that exists nowhere else."""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from temporalio.client import WorkflowExecutionDescription
from temporalio.service import RPCError

from activities.attempt.unsaved import unsaved
from activities.checkers.judgement_files import is_judgement, was_killed
from activities.git.hub import Hub
from activities.git.task_commits import saved_work
from activities.state.execution_store import ExecutionStore
from activities.state.state_directory import StateDirectory
from activities.system.directories import Trash, size_of
from epw.cli.options import JSON_OPTION
from epw.cli.output import print_json, printable
from epw.cli.session import run_connected
from epw.client.documents import document_of
from epw.client.elsewhere import saved_alone
from epw.core.amounts import count
from epw.core.errors import EpwError, InvalidRequest
from epw.core.execution.exit_status import STATUS_OF_TEMPORAL
from epw.core.report.model import ExecutionResult
from epw.service.connection import Connection
from epw.service.janitor import described_run
from epw.settings import Settings

_RUNNING = "it is running"
_DAY = 86_400
_MB = 2**20


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

    def row(self) -> dict[str, Any]:
        return {
            "executionId": self.execution.workflow_id,
            "bytes": self.size,
            "savedChanges": self.changes,
            "existNowhereElse": self.alone,
            **({"because": self.kept_because} if self.kept_because else {}),
        }


def gc(
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID", help="Only these, with what of them exists nowhere else (default: all)."),
    ] = None,
    days: Annotated[float, typer.Option("--days", min=0, help="Keep executions that ended later than so many.")] = 0,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    as_json: bool = JSON_OPTION,
) -> None:
    """Remove what ended executions keep here: commits, logs, directories. Saved work that exists nowhere else stays,
    unless its execution is named; results stay readable."""

    async def command(settings: Settings, connection: Connection) -> int:
        found = [await _examined(settings, connection, each, days, ids) for each in ExecutionStore.all(settings.state)]
        if unknown := set(ids or []) - {each.execution.workflow_id for each in found}:
            raise InvalidRequest(f"nothing is saved here of {', '.join(sorted(map(repr, unknown)))}")
        removable = [each for each in found if each.kept_because is None]
        for each in found:
            _announce(each)
        agreed = bool(removable) and not dry_run and (yes or _agreed(removable, as_json=as_json))
        for each in removable if agreed else []:
            _remove(settings.state, each)
        kept = [each for each in found if each not in removable]
        freed = sum(each.size for each in removable) if agreed else 0
        if agreed:
            at_work = any(each.kept_because == _RUNNING for each in found)
            _collect(settings.state, unused_setups=not kept, at_work=at_work)
        if as_json:
            names = {"removed" if agreed else "wouldRemove": removable, "kept": kept}
            rows = {name: [each.row() for each in group] for name, group in names.items()}
            ids_only = {name: [row["executionId"] for row in group] for name, group in rows.items()}
            print_json({"removed": [], **ids_only, "freedBytes": freed, "executions": rows})
        elif agreed or not removable:
            print(f"removed {count(len(removable), 'execution')}, kept {len(kept)}; {freed / _MB:.1f} MB freed")
        else:
            size = sum(each.size for each in removable) / _MB
            would_go = f"{count(len(removable), 'execution')} would go, {size:.1f} MB"
            print(f"nothing removed; {would_go}, and {len(kept)} would stay")
        return 0 if agreed or dry_run or not removable or sys.stdin.isatty() else InvalidRequest.exit_code

    run_connected(command, as_json=as_json)


def _announce(candidate: Candidate) -> None:
    what = f"{candidate.changes} saved changes, {candidate.size / _MB:.1f} MB"
    verb, more = ("kept", candidate.kept_because) if candidate.kept_because else ("to be removed", what)
    print(f"{verb}: {printable(candidate.execution.workflow_id)} ({more})", file=sys.stderr, flush=True)


def _agreed(removable: list[Candidate], *, as_json: bool) -> bool:
    if as_json or not sys.stdin.isatty():
        print("epw: nobody to ask: `--yes` removes this, `--dry-run` only says it", file=sys.stderr)
        return False
    return typer.confirm(f"Remove {count(len(removable), 'execution')}?", default=False, err=True)


async def _examined(
    settings: Settings, connection: Connection, execution: ExecutionStore, days: float, ids: list[str] | None
) -> Candidate:
    found = Candidate(execution)
    if is_judgement(execution):
        found.size = size_of(execution.path)
        if not was_killed(execution):
            found.kept_because = _RUNNING
        elif ids and execution.workflow_id not in ids:
            found.kept_because = "not named"
        return found
    try:
        described = await described_run(connection.client, execution)
    except RPCError:
        found.kept_because = "this server does not know it; remove its directory by hand"
        return found
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
        name, verb = printable(execution.workflow_id), "exists" if found.alone == 1 else "exist"
        found.kept_because = (
            f"{found.alone} of its saved changes {verb} nowhere else: `epw salvage {name}` shows what is saved, "
            f"`epw gc {name}` removes it"
        )
    return found


def _reason_to_keep(execution: ExecutionStore, described: WorkflowExecutionDescription, days: float) -> str | None:
    """Reason why an execution is not removed; None where it may be."""
    if described.close_time is None:
        return _RUNNING
    if time.time() - described.close_time.timestamp() < days * _DAY:
        return f"it ended less than {days:g} days ago"
    if execution.has_half_delivery() or (execution.path / "apply/blocked").is_file():
        return "its roll-back is not finished"
    if described.status is not None and STATUS_OF_TEMPORAL.get(described.status.name) == "terminated":
        attended = (execution.path / "attempts").is_dir()
        return "its agents are still being ended" if attended else None
    return None


def _remove(state: StateDirectory, candidate: Candidate) -> None:
    execution, hub = candidate.execution, candidate.execution.hub()
    if candidate.document is not None:
        execution.keep_results({**candidate.document})
    if hub is not None:
        hub.delete_refs(execution.ref())
    Trash(state.trash).take(execution.path)
    # The last execution under an id takes the id's directory along.
    with contextlib.suppress(OSError):
        execution.path.parent.rmdir()


def _collect(state: StateDirectory, *, unused_setups: bool, at_work: bool) -> None:
    for path in state.hubs():
        # Where somebody is at work, new objects may be what no ref reaches yet.
        Hub(path).collect_garbage("1.hour.ago" if at_work else "now")
    if unused_setups:
        Trash(state.trash).take(state.setups)
        Trash(state.trash).take(state.all_checks)
