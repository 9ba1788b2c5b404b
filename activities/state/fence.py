"""Fence of an execution: a step that a newer run or attempt has superseded may change nothing any more."""

from __future__ import annotations

import json
from typing import Any

from temporalio import activity

from activities.state.execution_store import ExecutionStore
from epw.core.errors import Fenced
from epw.core.messages import ROLL_BACK


def fencing_token() -> tuple[int, int]:
    """Id of the running activity and its activity attempt: later ones compare greater."""
    info = activity.info()
    return int(info.activity_id), info.attempt


def check_fence(execution: ExecutionStore, step: str, token: tuple[int, int]) -> None:
    """Raise `Fenced` if a reset, a later activity attempt or a roll-back has superseded this step."""
    path = execution.path / "fence.json"
    fence: dict[str, Any]
    fence = json.loads(path.read_bytes()) if path.is_file() else {"runs": [], "newest": {}, "closed": False}
    if execution.run_key not in fence["runs"]:
        fence = {"runs": [*fence["runs"], execution.run_key], "newest": {}, "closed": False}
    if fence["runs"][-1] != execution.run_key:
        raise Fenced(f"{step}: a later run of the execution has taken over")
    if tuple(fence["newest"].get(step, token)) > token:
        raise Fenced(f"{step}: a later try has taken over")
    if fence["closed"] and step != ROLL_BACK:
        raise Fenced(f"{step}: the execution has been rolled back")
    fence["newest"][step] = token
    fence["closed"] = step == ROLL_BACK
    execution.keep(path.name, json.dumps(fence).encode())
