"""Short form of the result document, as Temporal's history and queries hold it, and back.

Left out of it: values that are empty, and what can be read from the hub or follows from other values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from epw.core.packing import pack, unpack
from epw.core.recovery import recovery_options
from epw.core.report.model import OPEN, ConflictResult, DeliveryResult, ExecutionResult
from epw.core.report.task_result import ErrorContext, ModelUsage, TaskError, TaskResult, Waits

MAX_ROWS_IN_HISTORY = 500
_LISTS = ("results", "conflicts", "questions", "steering", "landingOrder")
_MAX_BYTES_IN_HISTORY = 1_000_000
_ALWAYS = frozenset(("agentId", "success", "landed", "error", "commit"))
"""Keys that a row has even when they are empty."""
_NO_WAITS: Waits = {"question": 0, "usageLimit": 0, "rateLimit": 0, "files": 0, "resources": 0, "host": 0}
_NO_USAGE: ModelUsage = {"requests": 0, "inputTokens": 0, "outputTokens": 0, "costUSD": None}
_EMPTY_DELIVERY: dict[str, Any] = {"branch": None, "refusedBecause": None, "finishWith": [], "warnings": []}


def empty_row(task_id: str) -> TaskResult:
    """The row of a task that has not started, without its optional keys."""
    return {
        "taskId": task_id,
        "status": "pending",
        "success": False,
        "agentId": None,
        "landed": None,
        "attempts": 0,
        "startedAt": None,
        "finishedAt": None,
        "duration": 0,
        "commit": None,
        "summary": None,
        "error": None,
        "sandbox": None,
        "peakMemoryMB": None,
        "cpuSeconds": None,
        "throttledSeconds": None,
        "processes": None,
        "writtenMB": None,
        "changes": [],
        "filesModified": [],
        "kept": [],
        "leftBehind": [],
        "usage": _NO_USAGE,
        "waitedMs": _NO_WAITS,
    }


def short_row(row: TaskResult) -> dict[str, Any]:
    """A row as the history holds it."""
    error = row["error"]
    short: dict[str, Any] = {**row}
    short["waitedMs"] = {kind: ms for kind, ms in row["waitedMs"].items() if ms}
    if row["usage"] == _NO_USAGE:
        del short["usage"]
    if error is not None:
        short["error"] = {"type": error["type"], "message": error["message"], "attempt": error["attempt"]}
        if error["context"]["command"] is not None:
            short["error"]["command"] = error["context"]["command"]
    return {key: value for key, value in short.items() if value or key in _ALWAYS}


def whole_row(short: Mapping[str, Any]) -> TaskResult:
    """A row with every key, from one of the history; what the hub holds is still empty."""
    row = cast(TaskResult, {**empty_row(short["taskId"]), **short})
    waited = short.get("waitedMs", {})
    row["waitedMs"] = cast(Waits, {kind: waited.get(kind, 0) for kind in _NO_WAITS})
    if short["error"] is not None:
        row["error"] = task_error(row["taskId"], **short["error"])
    return row


def task_error(task_id: str, *, type: str, message: str, attempt: int, command: str | None = None) -> TaskError:
    """An error without what only the machine of the task knows."""
    context: ErrorContext = {
        "taskId": task_id,
        "attempt": attempt,
        "command": command,
        "output": None,
        "log": None,
        "savedCommit": None,
    }
    options = recovery_options(type, task_id=task_id)
    return {"type": type, "message": message, "attempt": attempt, "context": context, "recoveryOptions": options}


def whole(short: Mapping[str, Any], run_id: str) -> ExecutionResult:
    """The document with every key, from one of the history or of the `results` query.

    Not validated: it may be of another version of the program.
    """
    known = {key: value for key, value in short.items() if key not in ("offset", "total", "truncated", "packed")}
    conflicts = [cast(ConflictResult, {**each, "hunks": []}) for each in short.get("conflicts", [])]
    found: ExecutionResult = {
        "success": False,
        "status": short["status"],
        "executionId": short["executionId"],
        "runId": run_id,
        "results": [],
        "conflicts": [],
        "questions": [],
        "steering": [],
        "metrics": None,
        "delivery": None,
        "landingOrder": [],
    }
    found.update(cast(ExecutionResult, known))
    found["results"] = [whole_row(each) for each in short.get("results", [])]
    for index, row in enumerate(found["results"]):
        if (error := row["error"]) is not None:
            error["recoveryOptions"] = recovery_options(
                error["type"],
                found["executionId"],
                row["taskId"],
                f"tasks[{index}]",
                is_open=found["status"] in OPEN,
            )
    found["conflicts"] = conflicts
    if found["delivery"] is not None:
        found["delivery"] = cast(DeliveryResult, {**_EMPTY_DELIVERY, **found["delivery"], "files": None})
    return found


def within_bounds(short: dict[str, Any]) -> dict[str, Any]:
    """The document with which a workflow can end: a result above 2 MB would never end it.

    What a large one leaves out is in it all the same, packed, where that is not too large: see `from_history`.
    """
    text = json.dumps(short, ensure_ascii=False).encode("utf-8", "surrogatepass")
    is_large = len(text) > _MAX_BYTES_IN_HISTORY
    if not is_large and len(short["results"]) <= MAX_ROWS_IN_HISTORY:
        return short
    left_out = _LISTS if is_large else _LISTS[:1]
    packed = pack(text)
    kept = {"packed": packed} if len(packed) <= _MAX_BYTES_IN_HISTORY else {}
    return {**short, **{name: [] for name in left_out}, "truncated": True, **kept}


def from_history(document: dict[str, Any]) -> dict[str, Any] | None:
    """The document that was given to `within_bounds`; None where the history has not the whole of it."""
    if not document.get("truncated"):
        return document
    found: dict[str, Any] | None = unpack(document["packed"]) if "packed" in document else None
    return found
