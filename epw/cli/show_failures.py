"""Failures of tasks for people: what failed, the last lines that were printed, where more is, what to do."""

from __future__ import annotations

from collections.abc import Sequence

from epw.cli.layout import prose
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


def _show(row: TaskResult) -> None:
    error = row["error"]
    assert error is not None
    context = error["context"]
    tries = f", attempt {error['attempt']}" if error["attempt"] > 1 else ""
    said = error["message"].splitlines() or [""]
    prose(f"{row['taskId']} {row['status']} ({error['type']}{tries}): {said[0]}", "  ", first="✗ ")
    if len(said) > _MAX_LINES:
        prose("…", "    ")
    for line in said[1:][-_MAX_LINES + 1 :]:
        prose(line, "    ")
    if context["command"] is not None:
        prose(f"command: {' '.join(context['command'].split())}", "    ", first="  ")
    if context["log"] is not None:
        prose(f"log: {context['log']}", "    ", first="  ")
    if context["savedCommit"] is not None and row["filesModified"]:
        count = len(row["filesModified"])
        prose(
            f"saved: {count} changed file{'s' if count > 1 else ''} ({context['savedCommit'][:12]})", "  ", first="  "
        )
    for option in error["recoveryOptions"]:
        prose(option, "    ", first="  → ")
