"""Executions that are cancelled while no worker runs: what comes back starts nothing of them."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import (
    Client,
    DescribeWorkflowInput,
    Interceptor,
    OutboundInterceptor,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowHandle,
)

from activities.state import cancellation
from activities.state.host import host_name
from activities.state.state_directory import StateDirectory
from epw.core.queues import host_of
from epw.service.polling import make_workers, polled_queues, polling
from epw.service.registration import WORKFLOWS, activities
from epw.service.worker_options import WorkerOptions
from tests.support import Harness, ended, make_repository, tasks


def _part(harness: Harness, *, of_host: bool) -> AbstractAsyncContextManager[None]:
    """Those workers of a process that poll the queues of its host, or the others, with the workflows."""
    state, queue = StateDirectory(harness.home), harness.queue
    queues = [each for each in polled_queues(queue, host_name(state)) if (host_of(each.name) is not None) == of_host]
    registered = activities(harness.client, state, queue, host=harness.host)
    return polling(make_workers(harness.client, queues, registered, WORKFLOWS, WorkerOptions()))


async def _happens(handle: WorkflowHandle[Any, Any], kind: EventType.ValueType, times: int) -> None:
    """Wait until the history has so many events of a type."""
    async with asyncio.timeout(60):
        while [event.event_type async for event in handle.fetch_history_events()].count(kind) < times:  # noqa: ASYNC110 (a history is only asked)
            await asyncio.sleep(0.05)


async def test_what_was_cancelled_without_a_worker_starts_nothing_when_one_comes(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cancellation, "NO_WORKER_MS", 0)
    repository, ran = make_repository(tmp_path / "repo", {"a": "1\n"}), tmp_path / "ran"
    plan = {"workspace": str(repository), "tasks": tasks(*({"id": f"t{n}", "run": f"touch {ran}"} for n in range(3)))}
    async with _part(harness, of_host=False):
        handle = await harness.start(plan)
        await _happens(handle, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, 4)
    await handle.cancel()
    async with _part(harness, of_host=True):
        await _happens(handle, EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED, 3)
    async with harness.working():
        await ended(handle)
    document = await harness.document(handle)
    assert (await handle.describe()).status == WorkflowExecutionStatus.CANCELED
    assert [row["status"] for row in document["results"]] == ["cancelled"] * 3
    assert not ran.exists()


class _Descriptions(Interceptor):
    """Counts what a client asks about executions."""

    def __init__(self) -> None:
        self.number = 0

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _Counted(next, self)


class _Counted(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, counter: _Descriptions) -> None:
        super().__init__(next)
        self._counter = counter

    async def describe_workflow(self, input: DescribeWorkflowInput) -> WorkflowExecutionDescription:
        self._counter.number += 1
        return await super().describe_workflow(input)


async def test_attempts_that_waited_at_once_ask_once_whether_they_were_cancelled(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer names every attempt that is pending: a thousand of them would ask for a million."""
    monkeypatch.setattr(cancellation, "NO_WORKER_MS", 0)
    monkeypatch.setattr(cancellation, "_SHARED_SECONDS", 3600.0)
    asked, own = _Descriptions(), harness.client
    client = Client(
        own.service_client, namespace=own.namespace, data_converter=own.data_converter, interceptors=[asked]
    )
    async with replace(harness, client=client).working():
        plan = {"maxAgents": 20, "tasks": tasks(*({"id": f"t{n}", "simulate": {"seconds": 0}} for n in range(20)))}
        handle = await harness.start(plan)
        await ended(handle)
    assert (await harness.document(handle))["status"] == "succeeded"
    assert asked.number == 1
