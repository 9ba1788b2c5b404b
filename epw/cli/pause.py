"""`pause` and `resume`: stop and allow the start of tasks."""

from __future__ import annotations

from epw.cli.options import JSON_OPTION, ExecutionId
from epw.cli.update import update


def pause(execution_id: ExecutionId, as_json: bool = JSON_OPTION) -> None:
    """Start nothing new; running tasks finish."""
    update(execution_id, "pause", {}, as_json=as_json)


def resume(execution_id: ExecutionId, as_json: bool = JSON_OPTION) -> None:
    """Go on after `pause`."""
    update(execution_id, "resume", {}, as_json=as_json)
