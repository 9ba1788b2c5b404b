"""Delivery by a person after an execution's end: what was refused then is a branch of the git URL now."""

from __future__ import annotations

import contextlib

from activities.state.execution_store import FILES, ExecutionStore
from epw.core.errors import UrlAway, UrlDenied, UrlMoved, UrlRefuses
from epw.core.execution.task_table import INCOMPLETE
from epw.core.report.model import ExecutionResult

_FILE = "pushed"


def note_late_delivery(execution: ExecutionStore, document: ExecutionResult, branch: str) -> None:
    """Note the branch that was pushed, also for the other hosts where the URL takes the note. Blocking."""
    execution.keep(_FILE, f"{branch}\n{_delivered(document)}".encode())
    if (refs := execution.own_url_refs()) is not None:
        with contextlib.suppress(UrlAway, UrlDenied, UrlMoved, UrlRefuses):
            refs.push(owns=False, is_own=lambda name: name == f"{FILES}/{_FILE}")


def add_late_delivery(document: ExecutionResult, execution: ExecutionStore) -> None:
    """Have the result say what has been pushed since its execution ended."""
    delivery = document["delivery"]
    if document["status"] != "undelivered" or delivery is None or (branch := _pushed(execution)) is None:
        return
    delivery["branch"], delivery["refusedBecause"], delivery["finishWith"] = branch, None, []
    document["status"] = _delivered(document)
    document["success"] = document["status"] == "succeeded"


def status_since_delivery(execution: ExecutionStore) -> str | None:
    """Status of an execution that a person has delivered since its end; None: nobody has, as far as is known here."""
    file = execution.path / _FILE
    noted = file.read_text().splitlines()[1:] if file.is_file() else []
    # `gc` removes the file, and keeps the result as it was told then.
    found: str | None = noted[0] if noted else execution.kept_results().get("status")
    return found


def _delivered(document: ExecutionResult) -> str:
    return "partial" if any(row["status"] in INCOMPLETE for row in document["results"]) else "succeeded"


def _pushed(execution: ExecutionStore) -> str | None:
    file = execution.path / _FILE
    if file.is_file():
        return file.read_text().splitlines()[0]
    # `gc` removes the file, and keeps what the result said before.
    kept = execution.kept_results().get("delivery") or {}
    found: str | None = kept.get("branch") if not kept.get("refusedBecause") else None
    return found
