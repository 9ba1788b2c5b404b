"""Updates, signals and queries of an execution against messages that do not fit their models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowQueryFailedError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from tests.support import Harness, ended, tasks, until

UPDATES = ("answer", "resolve_conflict", "pause", "resume", "set_max_agents")
QUERIES = ("progress", "results", "questions", "conflicts", "graph")
HOSTILE: tuple[Any, ...] = ("text", 7, ["list"], {"unknown": 1}, {"offset": -1})


async def test_a_message_that_does_not_fit_is_refused_and_the_execution_goes_on(
    harness: Harness, tmp_path: Path
) -> None:
    wait = f"while [ ! -e {tmp_path}/go ]; do sleep 0.02; done"
    async with harness.working():
        handle = await harness.start({"tasks": tasks({"id": "a", "run": wait})})
        await until(handle, lambda now: now["counts"].get("running"))
        for message in HOSTILE:
            for update in UPDATES:
                with pytest.raises(WorkflowUpdateFailedError) as refused:
                    await handle.execute_update(update, message)
                assert isinstance(refused.value.cause, ApplicationError)
                assert refused.value.cause.type == "InvalidRequest"
            for query in QUERIES:
                with pytest.raises(WorkflowQueryFailedError):
                    await handle.query(query, message)
            await handle.signal("in_line", message)
        (tmp_path / "go").touch()
        assert await ended(handle) is None
        events = (await handle.fetch_history()).events
    assert not [event for event in events if event.HasField("workflow_task_failed_event_attributes")]


async def test_updates_and_queries_take_nothing_for_an_empty_message(harness: Harness, tmp_path: Path) -> None:
    wait = f"while [ ! -e {tmp_path}/go ]; do sleep 0.02; done"
    async with harness.working():
        handle = await harness.start({"tasks": tasks({"id": "a", "run": wait})})
        assert await handle.execute_update("pause") == {"status": "paused"}
        assert await handle.execute_update("resume", {}) == {"status": "running"}
        assert (await handle.query("results"))["total"] == 1
        (tmp_path / "go").touch()
        assert await ended(handle) is None
