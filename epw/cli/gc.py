"""`gc`: removal of what ended executions saved, announced first; never of work that exists nowhere else."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import Annotated

import typer

from activities.state.execution_store import ExecutionStore
from epw.cli.options import JSON_OPTION
from epw.cli.output import print_json, printable
from epw.cli.session import run_connected
from epw.client.collection import Candidate, collect, examined, remove, used_on_disk
from epw.client.saved_changes import KnownExecution
from epw.core.amounts import count
from epw.core.errors import InvalidRequest
from epw.core.plan.wording import did_you_mean
from epw.service.connection import Connection
from epw.settings import Settings

_MB = 2**20


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
        for name in set(ids or []) - {known.workflow_id for known in ExecutionStore.all(settings.state)}:
            # One on a git URL may have been done by other hosts alone.
            with contextlib.suppress(InvalidRequest):
                await KnownExecution.of(settings, connection, name)
        began = time.time()
        found = [await examined(settings, connection, each, days, ids) for each in ExecutionStore.all(settings.state)]
        if unknown := set(ids or []) - {each.execution.workflow_id for each in found}:
            known = sorted(each.execution.workflow_id for each in found)
            named = (f"{name!r}{did_you_mean(name, known)}" for name in sorted(unknown))
            raise InvalidRequest(f"nothing is saved here of {', '.join(named)}")
        removable = [each for each in found if each.kept_because is None]
        for each in found:
            _announce(each)
        agreed = bool(removable) and not dry_run and (yes or _agreed(removable, as_json=as_json))
        before = used_on_disk(settings.state) if agreed else 0
        for each in removable if agreed else []:
            remove(settings.state, each, everywhere=True)
            if each.kept_because is not None:
                _announce(each)
        removable = [each for each in removable if each.kept_because is None]
        kept = [each for each in found if each.kept_because is not None]
        freed = 0
        if agreed:
            ended = {each.execution.key for each in found if each.ended_at}
            for said in collect(settings.state, unused_setups=not kept, ended=ended, began=began):
                print(f"kept: {printable(said)}", file=sys.stderr)
            # Others may have written more meanwhile.
            freed = max(0, before - used_on_disk(settings.state))
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
    print(f"{verb}: {printable(candidate.execution.workflow_id)} ({printable(more)})", file=sys.stderr, flush=True)


def _agreed(removable: list[Candidate], *, as_json: bool) -> bool:
    if as_json or not sys.stdin.isatty():
        print("epw: nobody to ask: `--yes` removes this, `--dry-run` only says it", file=sys.stderr)
        return False
    return typer.confirm(f"Remove {count(len(removable), 'execution')}?", default=False, err=True)
