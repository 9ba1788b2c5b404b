"""`diff`: the change of an execution, or of one of its tasks."""

from __future__ import annotations

import shlex
import sys
from typing import Annotated, Any

import typer

from activities.git.changes import changes
from activities.git.user_git import show_diff
from epw.cli.options import JSON_OPTION, ExecutionId
from epw.cli.output import print_json, printable
from epw.cli.session import run_connected
from epw.client.saved_changes import KnownExecution
from epw.core.errors import InvalidRequest
from epw.service.connection import Connection
from epw.settings import Settings


def diff(
    execution_id: ExecutionId,
    task: Annotated[
        str | None, typer.Argument(metavar="[TASK]", help="Only what this task's agent did, landed or not.")
    ] = None,
    stat: Annotated[bool, typer.Option("--stat", help="A line a file instead of its lines.")] = False,
    as_json: bool = JSON_OPTION,
) -> None:
    """The change of an execution, or of one task, landed or not: by your git, with its pager and colours."""

    async def command(settings: Settings, connection: Connection) -> int:
        known = await KnownExecution.of(settings, connection, execution_id)
        row = known.task(task) if task is not None else None
        ends, hub = known.ends(task), known.hub
        if ends is None or hub is None:
            if row is not None and row["commit"] is None:
                raise InvalidRequest(f"{task} has saved no change (it is {row['status']})")
            raise InvalidRequest("no change is saved here: it is on another machine, or `epw gc` has removed it")
        if as_json:
            landed = row["landed"] if row is not None else None
            head: dict[str, Any] = {"executionId": execution_id, "taskId": task, "base": ends[0], "head": ends[1]}
            patch = hub.diff(*ends).decode(errors="replace")
            print_json({**head, "landed": landed, "changes": changes(hub, *ends), "patch": patch})
            return 0
        if hub.tree_of(ends[0]) == hub.tree_of(ends[1]):
            print(printable(_nothing(known, task)), file=sys.stderr, flush=True)
            return 0
        return show_diff(hub.path, *ends, *(["--stat"] if stat else []))

    run_connected(command, as_json=as_json)


def _nothing(known: KnownExecution, task: str | None) -> str:
    """What to say where nothing differs: changes that have not landed are shown by task."""
    if task is not None:
        return f"{task} has changed nothing"
    apart = [shlex.join(["epw", "diff", known.id, each]) for each in known.saved[:5]]
    return "nothing has landed" + (f"; saved changes: {', '.join(apart)}" if apart else "")
