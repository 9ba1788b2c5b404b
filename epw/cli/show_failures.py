"""Failures of tasks for people: what failed, the last lines that were printed, where more is, what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from epw.cli.layout import prose
from epw.core import failures
from epw.core.execution.exit_status import OUTCOMES
from epw.core.landing import RED_BEFORE
from epw.core.messages import SEEN_COMING
from epw.core.recovery import recovery_options
from epw.core.report.model import ExecutionError
from epw.core.report.task_result import TaskResult

_SHOWN = ("failed", "conflicted")
_MAX_SHOWN = 5
_MAX_LINES = 8


def show_failures(rows: Sequence[TaskResult]) -> None:
    """Print the first failures, each as a paragraph."""
    failed = [row for row in rows if row["error"] is not None and row["status"] in _SHOWN]
    for row in failed[:_MAX_SHOWN]:
        _show(row)
    if len(failed) > _MAX_SHOWN:
        print(f"and {len(failed) - _MAX_SHOWN} more failures: `epw status ID --json` has them all")


def show_warnings(rows: Sequence[TaskResult]) -> None:
    """Print the first warnings of tasks that have ended; of conflicts that were only seen coming, none."""
    found = [
        f"{row['taskId']}: {each}"
        for row in rows
        for each in row.get("warnings", [])
        if not each.startswith(SEEN_COMING)
    ]
    for each in found[:_MAX_SHOWN]:
        prose(each, "    ", first="! ")
    if len(found) > _MAX_SHOWN:
        print(f"and {len(found) - _MAX_SHOWN} more warnings: `epw status ID --json` has them all")


def verify_failed(conflict: Mapping[str, Any]) -> str:
    """A red `verify` of a merge: its command, how it ended, the task that it is laid to."""
    command = _flat(conflict.get("command", ""))
    code = conflict.get("exitCode")
    how = f"verify `{command}` failed" if command else conflict["description"].splitlines()[0]
    return f"{how}{'' if code is None else f' with exit code {code}'}: laid to {', '.join(conflict['tasks'])}"


def show_error(error: ExecutionError, execution_id: str) -> None:
    """Print why an execution did not succeed, where no task's failure says it, and what to do."""
    prose(f"{error['type']}: {error['message']}", "    ", first="✗ ")
    outcome = OUTCOMES.get(error["type"])
    kind = failures.FAILURES.get(error["type"]) or (outcome.failure if outcome is not None else None)
    if kind is None:
        return
    if error["message"].startswith("verify "):
        is_of_base = error["message"].startswith(RED_BEFORE)
        kind = failures.VERIFY_RED_BEFORE if is_of_base else failures.VERIFY_FAILED
    for option in recovery_options(kind.type, execution_id, "verify"):
        # Its task is none, and its state is what is shown.
        if "`epw salvage " not in option and "`epw status " not in option:
            prose(option, "    ", first="  → ")


def _show(row: TaskResult) -> None:
    error = row["error"]
    assert error is not None
    context = error["context"]
    tries = f", attempt {error['attempt']}" if error["attempt"] > 1 else ""
    said = error["message"].splitlines() or [""]
    if row["status"] == "conflicted" and error["type"] == failures.VERIFY_FAILED.type:
        said[0] = f"verify {said[0].removeprefix('verify is red: ')}"
    prose(f"{row['taskId']} {row['status']} ({error['type']}{tries}): {said[0]}", "  ", first="✗ ")
    if len(said) > _MAX_LINES:
        prose("…", "    ")
    for line in said[1:][-_MAX_LINES + 1 :]:
        prose(line, "    ")
    if context["command"] is not None and f"`{_flat(context['command'])}`" not in said[0]:
        prose(f"command: {_flat(context['command'])}", "    ", first="  ")
    if context["log"] is not None:
        prose(f"log: {context['log']}", "    ", first="  ")
    if context["savedCommit"] is not None and row["filesModified"]:
        count = len(row["filesModified"])
        prose(
            f"saved: {count} changed file{'s' if count > 1 else ''} ({context['savedCommit'][:12]})", "  ", first="  "
        )
    for option in error["recoveryOptions"]:
        prose(option, "    ", first="  → ")


def _flat(command: str) -> str:
    return " ".join(command.split())
