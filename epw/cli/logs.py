"""`logs`: what the attempts of a task have printed."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError

from activities.state.execution_store import ExecutionStore
from epw.cli.layout import table
from epw.cli.options import JSON_OPTION, ExecutionId
from epw.cli.output import print_json, printable
from epw.cli.session import run_connected
from epw.client.documents import describe, document_of
from epw.client.saved_changes import no_task
from epw.client.task_logs import VERIFY, TaskLog, logs_of
from epw.core.errors import InvalidRequest
from epw.core.execution.task_state import TERMINAL
from epw.service.connection import Connection
from epw.settings import Settings

_POLL_SECONDS = 0.5
_QUERY_TIMEOUT = timedelta(seconds=3)
_TERMINAL_CODE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r(?=\n)")


def logs(
    execution_id: ExecutionId,
    task: Annotated[
        str | None,
        typer.Argument(metavar="[TASK]", help="Only this task's attempts; verify: those of the plan's command."),
    ] = None,
    attempt: Annotated[int | None, typer.Option("--attempt", help="Only this attempt.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is printed until the task ends.")
    ] = False,
    as_json: bool = JSON_OPTION,
) -> None:
    """What the attempts of a task have printed, running ones too. Without TASK: which logs there are."""

    async def command(settings: Settings, connection: Connection) -> int:
        handle = connection.client.get_workflow_handle(execution_id)
        described = await describe(handle)
        document = await document_of(settings, handle, described)
        execution = ExecutionStore.of(settings.state, described)
        names = [*(row["taskId"] for row in document["results"]), VERIFY]
        if task is not None and task not in names:
            raise InvalidRequest(no_task(execution_id, task, list(names)))
        wanted = names if task is None else [task]

        def found() -> list[TaskLog]:
            return [log for log in logs_of(execution, wanted) if attempt in (None, log.attempt)]

        if as_json:
            print_json([{**vars(log), "path": str(log.path)} for log in found()])
        elif task is None:
            cells = [[log.task_id, log.attempt, log.bytes, log.path] for log in found()]
            table(f"logs of {printable(execution_id)}", ["task", "attempt", "bytes", "file"], cells)
        else:
            printer = _Printer()
            printer.show(found())
            ended = any(row["taskId"] == task and row["status"] in TERMINAL for row in document["results"])
            while follow and not ended:
                # Where no worker answers, nothing ends: what is printed is followed all the same.
                with suppress(RPCError):
                    ended = await _has_ended(handle, task)
                printer.show(found())
                if not ended:
                    await asyncio.sleep(_POLL_SECONDS)
            if not printer.has_shown:
                logs = logs_of(execution, wanted, even_empty=True)
                folder = None if execution.kept_results() else execution.log("*").parent
                print(why_none(document, task, logs, folder), file=sys.stderr)
        return 0

    run_connected(command, as_json=as_json)


async def _has_ended(handle: WorkflowHandle[Any, Any], task: str) -> bool:
    """Whether a task or its execution has; raises `RPCError` where nobody answers."""
    if (await handle.describe()).close_time is not None:
        return True
    progress = await handle.query("progress", rpc_timeout=_QUERY_TIMEOUT)
    return any(each["taskId"] == task and each["status"] in TERMINAL for each in progress["tasks"])


def why_none(document: Mapping[str, Any], task: str, logs: Sequence[TaskLog], folder: Path | None) -> str:
    """Why nothing that a task has printed is here.

    `logs`: those that are; `folder`: where they would be, None: `gc` has removed them.
    """
    if logs:
        return "it has printed nothing"
    row = next((each for each in document["results"] if each["taskId"] == task), None)
    if row is not None and not row["attempts"]:
        return f"it has not run: {row['status']}"
    if folder is None:
        return "what it has printed is gone: `epw gc` has removed it"
    return f"it has printed nothing, or ran on another machine ({folder})"


class _Printer:
    """Prints what logs have more than at the last look, under a line for each attempt."""

    def __init__(self) -> None:
        self._shown: dict[Path, int] = {}
        self._last: Path | None = None

    @property
    def has_shown(self) -> bool:
        return bool(self._shown)

    def show(self, logs: list[TaskLog]) -> None:
        for log in logs:
            if log.bytes > self._shown.get(log.path, 0):
                if self._last != log.path:
                    print(
                        f"── attempt {log.attempt} of {printable(log.task_id)} ({log.path})",
                        file=sys.stderr,
                        flush=True,
                    )
                self._last = log.path
                self._print(log.path)

    def _print(self, path: Path) -> None:
        with open(path, "rb") as file:
            file.seek(self._shown.get(path, 0))
            text = file.read()
            self._shown[path] = file.tell()
        words = _TERMINAL_CODE.sub("", text.decode("utf-8", "replace")).replace("\r", "\n")
        os.write(sys.stdout.fileno(), printable(words).encode("utf-8", "replace"))
