"""`salvage` and `gc`: what executions have saved, and the end of it."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from temporalio.client import Client
from temporalio.service import RPCError

from activities.execution import Execution
from activities.git.changes import changed_paths
from activities.git.command import shown
from activities.git.hub import Hub
from commands.documents import describe
from commands.session import JSON_OPTION, print_json, printable, run_connected
from commands.show import table
from service.connection import Connection
from settings import Settings
from workflows.errors import InvalidRequest
from workflows.naming import slug

_DAY = 86_400


def salvage(
    execution_id: Annotated[str, typer.Argument(metavar="ID")],
    task: Annotated[str | None, typer.Argument(help="Only this task's saved work.")] = None,
    branch: Annotated[
        str | None, typer.Option("--branch", help="Put TASK's newest saved work on a new branch of the workspace.")
    ] = None,
    patches: Annotated[
        Path | None, typer.Option("--patches", help="Write each saved work as a patch file into this directory.")
    ] = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Every change that an execution's agents have saved, landed or not; as a branch or as patches."""

    async def command(settings: Settings, connection: Connection) -> int:
        execution = Execution.of(settings.home, await describe(connection.client.get_workflow_handle(execution_id)))
        hub = execution.hub()
        rows = [row for row in hub.saved_work(execution.ref("tasks")) if task in (None, row["taskId"])] if hub else []
        if branch is not None:
            _put_on_branch(execution, hub, rows, branch, task)
        if hub is not None:
            for row in rows:
                row["files"] = [shown(path) for path in changed_paths(hub, f"{row['commit']}^", row["commit"])]
                if patches is not None:
                    row["patch"] = str(_write_patch(hub, row, patches))
        if as_json:
            print_json(rows)
        else:
            cells = [[row["taskId"], row["attempt"], row["commit"][:12], len(row["files"])] for row in rows]
            table(f"saved work of {printable(execution_id)}", ["task", "attempt", "commit", "files"], cells)
            if not rows:
                print("nothing is saved: no agent changed anything, or `gc` has removed it")
            if hub is not None and rows:
                print(f"each commit is in the hub: git --git-dir {hub.path} show COMMIT")
        return 0

    run_connected(command, as_json=as_json)


def gc(
    days: Annotated[float, typer.Option("--days", min=0, help="Keep executions that ended later than so many.")] = 0,
    as_json: bool = JSON_OPTION,
) -> None:
    """Remove what ended executions have saved: commits, logs, directories; running ones are not touched."""

    async def command(settings: Settings, connection: Connection) -> int:
        found = Execution.all(settings.home)
        kept: list[Execution] = []
        removed: list[Execution] = []
        for execution in found:
            why = await _kept_because(connection.client, execution, days)
            (removed if why is None else kept).append(execution)
            if why is not None:
                print(f"kept: {printable(execution.workflow_id)} ({why})", file=sys.stderr)
        before = _size(settings.home)
        for execution in removed:
            _remove(execution)
        _collect(settings.home, unused_setups=not kept)
        freed = max(0, before - _size(settings.home))
        document = {
            "removed": [execution.workflow_id for execution in removed],
            "kept": [execution.workflow_id for execution in kept],
            "freedBytes": freed,
        }
        line = f"removed {len(removed)} executions, kept {len(kept)}; {freed / 2**20:.1f} MB freed"
        print_json(document) if as_json else print(line)
        return 0

    run_connected(command, as_json=as_json)


def _put_on_branch(
    execution: Execution, hub: Hub | None, rows: list[dict[str, Any]], branch: str, task: str | None
) -> None:
    if task is None or hub is None or not rows:
        raise InvalidRequest("--branch needs a TASK that has saved work")
    if not (execution.path / "workspace.json").is_file() or execution.workspace().kind != "git":
        raise InvalidRequest("--branch needs a git repository as workspace; use --patches")
    refused = hub.hand_over(execution.workspace(), rows[-1]["commit"], f"refs/heads/{branch}")
    if refused is not None:
        raise InvalidRequest(f"the branch {branch} cannot be made: {refused}")


def _write_patch(hub: Hub, row: dict[str, Any], folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{slug(row['taskId'])}.{row['attempt']}.{row['commit'][:12]}.patch"
    path.write_bytes(hub.patch(row["commit"]))
    return path


async def _kept_because(client: Client, execution: Execution, days: float) -> str | None:
    """Why an execution is not removed; null: it has ended, long enough ago."""
    try:
        described = await client.get_workflow_handle(execution.workflow_id).describe()
        if Execution.of(execution.home, described).run_id != execution.run_id:
            described = await client.get_workflow_handle(execution.workflow_id, run_id=execution.run_id).describe()
    except RPCError:
        return "this server does not know it; remove its directory by hand"
    if described.close_time is None:
        return "it is running"
    if time.time() - described.close_time.timestamp() < days * _DAY:
        return f"it ended less than {days:g} days ago"
    if execution.has_half_delivery() or (execution.path / "apply/blocked").is_file():
        return "its roll-back is not finished"
    return None


def _remove(execution: Execution) -> None:
    hub = execution.hub()
    if hub is not None:
        hub.forget(execution.ref())
    shutil.rmtree(execution.path, ignore_errors=True)
    # The last execution under an id takes the id's directory along.
    if not any(execution.path.parent.glob("*")):
        execution.path.parent.rmdir()


def _collect(home: Path, *, unused_setups: bool) -> None:
    for path in sorted((home / "hubs").glob("*.git")):
        Hub(path).collect_garbage()
    if unused_setups:
        shutil.rmtree(home / "setups", ignore_errors=True)


def _size(home: Path) -> int:
    return sum(path.lstat().st_size for path in home.rglob("*") if path.is_file() and "server" not in path.parts)
