"""What an execution has cost: CPU and memory of the processes of worker and server, and its history."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import Any

import psutil
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle

_SAMPLED_SECONDS = 0.5


_KINDS = {"server start-dev": "server", "epw.service.walled_server": "relay", "epw.service.worker_process": "worker"}
"""What a process is, by a part of its command line."""


class Processes:
    """CPU and memory of the processes below this one, by what they are."""

    def __init__(self) -> None:
        self.peaks: Counter[str] = Counter()

    def cpu(self) -> dict[str, float]:
        """Seconds so far of worker, server, what relays between them, and this process; notes peaks of memory."""
        own = psutil.Process()
        found = dict.fromkeys(_KINDS.values(), 0.0) | {"client": _seconds(own)}
        for process in own.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                line = " ".join(process.cmdline())
                if kind := next((_KINDS[part] for part in _KINDS if part in line), None):
                    found[kind] += _seconds(process)
                    self.peaks[kind] = max(self.peaks[kind], process.memory_info().rss >> 20)
        return found

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(_SAMPLED_SECONDS)
            self.cpu()


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def history_of(handle: WorkflowHandle[Any, Any]) -> dict[str, Any]:
    """Events, bytes and workflow tasks of all runs of an execution."""
    numbers = ("events", "bytes", "runs", "turns", "failed", "restarted")
    found: dict[str, Any] = {**dict.fromkeys(numbers, 0), "slowest": 0.0, "status": ""}
    run_id: str | None = handle.first_execution_run_id
    while run_id is not None:
        run = handle._client.get_workflow_handle(handle.id, run_id=run_id)
        run_id, began, found["runs"] = None, {}, found["runs"] + 1
        async for event in run.fetch_history_events():
            found["events"] += 1
            found["bytes"] += event.ByteSize()
            kind = event.event_type
            found["status"] = EventType.Name(kind).removeprefix("EVENT_TYPE_WORKFLOW_EXECUTION_").lower()
            if kind == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED:
                began[event.event_id] = event.event_time.ToNanoseconds()
            elif kind == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
                found["restarted"] += event.activity_task_started_event_attributes.attempt > 1
            elif kind == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
                found["turns"] += 1
                start = began[event.workflow_task_completed_event_attributes.started_event_id]
                found["slowest"] = max(found["slowest"], (event.event_time.ToNanoseconds() - start) / 1e9)
            elif kind in (EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED, EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT):
                found["failed"] += 1
            elif kind == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
                run_id = event.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return found
