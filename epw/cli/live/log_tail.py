"""The end of what the newest attempt of a task has printed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from activities.state.execution_store import ExecutionStore
from epw.client.task_logs import logs_of

_MAX_BYTES = 64 * 1024
_TERMINAL_CODE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r(?=\n)")


def log_tail(store: ExecutionStore, task_id: str) -> Sequence[str]:
    """Its last lines; none where it has printed nothing, or on another machine."""
    logs = logs_of(store, [task_id])
    if not logs:
        return ()
    with open(logs[-1].path, "rb") as file:
        file.seek(max(0, logs[-1].bytes - _MAX_BYTES))
        text = file.read().decode("utf-8", "replace")
    if logs[-1].bytes > _MAX_BYTES:
        text = text.partition("\n")[2]
    return _TERMINAL_CODE.sub("", text).replace("\r", "\n").splitlines()
