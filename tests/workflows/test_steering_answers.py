"""Every update in every state of an execution is answered as docs/steering.md has it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from epw.client.requests import send
from epw.core.errors import InvalidRequest
from tests.stage import Stage, result_of
from tests.steering_table import ANSWERS, STATES, Answers
from tests.support import ended, eventually, status_of, tasks, until

ROWS = [
    {**each, "run": "true"} for each in tasks({"id": "z"}, {"id": "a"}, {"id": "b", "dependsOn": ["a"]}, {"id": "c"})
]


@pytest_asyncio.fixture(loop_scope="session")
async def stage(server: WorkflowEnvironment) -> AsyncIterator[Stage]:
    async with Stage(server.client).working() as stage:
        yield stage


@asynccontextmanager
async def execution(stage: Stage, state: str) -> AsyncIterator[WorkflowHandle[Any, Any]]:
    """An execution in this state; what is left of it is cancelled."""
    plan = {"workspace": "/x", "maxAgents": 2, "onConflict": ["ask"], "tasks": ROWS}
    stage.may_deliver.clear()
    handle = await stage.start(plan)
    await stage.end("z")
    await until(handle, lambda now: status_of(now)["z"] == "succeeded" and len(stage.running) == 2)
    if state == "paused":
        await handle.execute_update("pause")
    elif state == "waiting":
        stage.conflicting["c"] = 1
        await stage.ask("a")
        await stage.end("c")
        await until(handle, lambda now: now["counts"].get("waiting") == 2)
        await until(handle, lambda now: all(each["waitingFor"] in (None, "question") for each in now["tasks"]))
    elif state == "stopping":
        stage.may_stop.clear()
        for _ in range(2):
            await stage.end("a", "failed")
        await eventually(lambda: stage.stopping)
    elif state in ("finishing", "ended"):
        for each in "acb":
            await stage.end(each)
        await until(handle, lambda now: now["counts"] == {"succeeded": 4})
        await eventually(lambda: stage.delivering)
    if state == "ended":
        stage.may_deliver.set()
        await ended(handle)
    try:
        yield handle
    finally:
        stage.may_stop.set()
        stage.may_deliver.set()
        if state != "ended":
            await handle.cancel()
            await ended(handle)


async def answer_to(handle: WorkflowHandle[Any, Any], row: Answers) -> str:
    try:
        answered = await send(handle, row.update, row.request)
    except InvalidRequest as refused:
        return f"refused: {refused}"
    if "outcome" not in answered:
        answered = {"outcome": (await result_of(handle))["steering"][-1]["outcome"]}
    return f"accepted: {answered['outcome']}"


@pytest.mark.parametrize("state", STATES)
async def test_every_update_is_answered_in_every_state(stage: Stage, state: str) -> None:
    refusing = [row for row in ANSWERS if row.at(state).startswith("refused")]
    async with execution(stage, state) as handle:
        for row in refusing:
            answer, words = await answer_to(handle, row), row.at(state).replace("the execution has ended", "has ended")
            assert answer.startswith("refused"), f"{row.update} when {state}: {answer}"
            assert words.removeprefix("refused: ") in answer, f"{row.update} when {state}: {answer}"
    for row in (each for each in ANSWERS if each not in refusing):
        async with execution(stage, state) as handle:
            answer = await answer_to(handle, row)
            assert answer == row.at(state), f"{row.update} when {state}"
