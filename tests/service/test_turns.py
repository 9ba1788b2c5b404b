"""Workflow tasks that take long, because the machine is busy or much has happened, are done once."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid

from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from epw.service.polling import allow_long_turns
from tests.support import Harness

_BEGUN, _MAY_END = threading.Event(), threading.Event()
_BROKEN_OFF_SECONDS = 2.0
"""What the SDK gives a workflow task by default."""
_SIGNALS = 150
"""More events than the server keeps for a workflow task that is under way, by default."""
_FAILED = (EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED, EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT)


@workflow.defn(sandboxed=False)
class _Busy:
    """A workflow whose first workflow task takes as long as the test wants."""

    def __init__(self) -> None:
        self._signals = 0

    @workflow.run
    async def run(self) -> None:
        _BEGUN.set()
        _MAY_END.wait(30)
        await workflow.wait_condition(lambda: self._signals == _SIGNALS)

    @workflow.signal
    def something(self) -> None:
        self._signals += 1


async def test_a_long_workflow_task_is_done_once_whatever_happens_meanwhile(harness: Harness) -> None:
    runner = UnsandboxedWorkflowRunner()
    worker = Worker(harness.client, task_queue=harness.queue, workflows=[_Busy], workflow_runner=runner)
    allow_long_turns(worker)
    async with worker:
        began = time.monotonic()
        handle = await harness.client.start_workflow(_Busy.run, id=uuid.uuid4().hex, task_queue=harness.queue)
        await asyncio.to_thread(_BEGUN.wait, 30)
        await asyncio.gather(*(handle.signal(_Busy.something) for _ in range(_SIGNALS)))
        await asyncio.sleep(max(0.0, began + _BROKEN_OFF_SECONDS + 1.5 - time.monotonic()))
        _MAY_END.set()
        await handle.result()
    kinds = [event.event_type async for event in handle.fetch_history_events()]
    assert not [EventType.Name(kind) for kind in kinds if kind in _FAILED]
