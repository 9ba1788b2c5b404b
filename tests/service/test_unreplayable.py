"""Executions whose history no worker can replay: they are found, reset to the last sound task, and end."""

from __future__ import annotations

import asyncio
import io
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from temporalio import workflow

from epw.cli.follow import follow
from epw.service.connection import Connection
from epw.service.unreplayable import first_unsound_task, reset_unreplayable
from tests.support import Harness, ended, eventually, make_repository, status_of, tasks, until
from workflows.attempts import Attempts


def start_with_a_timer(task_id: str) -> Any:
    """`Attempts.start` that leaves one command more in the history than a replay has."""
    start, timers = Attempts.start, []

    def changed(self: Attempts, each: Any, head: str | None) -> None:
        if each.task_id == task_id:
            timers.append(asyncio.ensure_future(workflow.sleep(timedelta(hours=1))))
        start(self, each, head)

    return patch.object(Attempts, "start", changed)


async def test_an_execution_that_does_not_replay_is_reset_and_nothing_runs_twice(
    harness: Harness, tmp_path: Path
) -> None:
    work = make_repository(tmp_path / "work")
    plan = {
        "workspace": str(work),
        "tasks": tasks(
            {"id": "a", "run": f"echo a >> {tmp_path}/ran; echo a > a"},
            {"id": "b", "run": f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; echo b > b", "dependsOn": ["a"]},
        ),
    }
    with start_with_a_timer("b"):
        async with harness.working():
            handle = await harness.start(plan)
            await until(handle, lambda progress: status_of(progress)["b"] == "running")
    printed = io.StringIO()
    connection = Connection(harness.client, None, is_embedded=False)
    (tmp_path / "go").touch()
    async with harness.working():
        newest = harness.client.get_workflow_handle(handle.id)
        following = asyncio.create_task(follow(connection, newest, printed))
        await eventually(lambda: "has failed" in printed.getvalue())
        assert await first_unsound_task(await handle.fetch_history())
        assert await reset_unreplayable(harness.client) == 1
        await asyncio.wait_for(following, 60)
        assert await ended(newest) is None
        document = await harness.document(newest)
        assert await reset_unreplayable(harness.client) == 0
    assert document["status"] == "succeeded"
    assert (tmp_path / "ran").read_text() == "a\n", "what had landed before stays"
    assert printed.getvalue().count("has failed") == 1
    assert await first_unsound_task(await newest.fetch_history()) is None


async def test_a_sound_history_has_no_unsound_task(harness: Harness) -> None:
    async with harness.working():
        handle = await harness.start({"tasks": tasks({"id": "a", "run": "true"}, {"id": "b", "run": "false"})})
        await ended(handle)
    assert await first_unsound_task(await handle.fetch_history()) is None
