"""Any sequence of updates, at any moment: no work is lost, the invariants hold, the history replays."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from epw.cli.invariants import of_document, of_history
from epw.client.started_plan import with_added
from epw.core.execution.task_state import TERMINAL
from epw.core.plan.graph import TaskGraph
from epw.core.plan.validate import read_plan
from epw.service.converter import data_converter
from epw.service.replay import replay
from tests.stage import Stage, commits_in, result_of
from tests.support import tasks

MESSAGES = 30
_END_SECONDS = 60
UPDATES = (
    *("cancel_task", "retry_task", "retry_task", "retry_task", "add_tasks", "add_tasks", "set_priority", "set_budget"),
    *("set_max_agents", "pause", "resume", "resume", "answer", "resolve_conflict", "message"),
)


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    with asyncio.Runner() as runner:
        yield runner.get_loop()


@pytest.fixture(scope="module")
def client(loop: asyncio.AbstractEventLoop, server: WorkflowEnvironment) -> Client:
    """A client in this loop. Of the shared server: that which skips time loses workflow tasks of refused updates."""
    target, namespace = server.client.service_client.config.target_host, server.client.namespace
    return loop.run_until_complete(Client.connect(target, namespace=namespace, data_converter=data_converter))


class Play:
    """One execution to which random messages are sent while its agents end in every way."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage = stage
        self.random = random.Random(seed)
        count = self.random.randint(3, 7)
        rows = [
            {"id": f"t{n}", "run": "true", "dependsOn": [f"t{d}" for d in range(n) if self.random.random() < 0.35]}
            for n in range(count)
        ]
        self.plan: dict[str, Any] = {
            "workspace": "/x",
            "maxAgents": self.random.randint(1, 4),
            "strategy": self.random.choice(["aggressive", "aggressive", "aggressive", "conservative"]),
            "onConflict": self.random.choice([["ask"], ["retry", "skip"], ["retry", "ask"]]),
            "onProposal": self.random.choice(["ask", "take"]),
            "tasks": tasks(*rows),
        }
        self.most_agents = self.plan["maxAgents"]
        self.sent: list[str] = []
        self.added = 0
        self.seen = 0
        """Starts that have been looked at."""

    async def send(self, handle: WorkflowHandle[Any, Any]) -> None:
        """Send a random message; it may be refused, or come after the end."""
        update, known = self.random.choice(UPDATES), [*self.ids, "unknown"]
        task_id, request = self.random.choice(known), dict[str, Any]()
        if update in ("cancel_task", "retry_task"):
            request = {"taskId": task_id}
        elif update == "message":
            request = {"taskId": task_id, "text": "look"}
        elif update == "set_priority":
            request = {"taskId": task_id, "priority": self.random.randint(-3, 3)}
        elif update == "set_budget":
            request = {"maxTokens": self.random.randint(1, 10_000)}
        elif update == "set_max_agents":
            request = {"maxAgents": self.random.randint(1, 5)}
        elif update == "add_tasks":
            request = {"tasks": self.new_tasks()}
        elif update == "answer":
            request = {"questionId": f"q{self.random.randint(1, 6)}", "text": self.random.choice(["take", "skip", "x"])}
        elif update == "resolve_conflict":
            request = {"conflictId": f"c{self.random.randint(1, 4)}", "choice": self.random.choice(["skip", "retry"])}
        answer = "accepted"
        try:
            await handle.execute_update(update, request)
            self.most_agents = max(self.most_agents, request.get("maxAgents", 1))
        except WorkflowUpdateFailedError as error:
            answer = f"refused: {error.cause}"
        self.sent.append(f"{update} {request}: {answer}")

    @property
    def ids(self) -> list[str]:
        return [each["id"] for each in self.plan["tasks"]] + [f"n{n}" for n in range(self.added)]

    def new_tasks(self) -> list[dict[str, Any]]:
        rows = []
        for _ in range(self.random.randint(1, 2)):
            before = [each for each in self.ids if self.random.random() < 0.2]
            rows.append(
                {"id": f"n{self.added}", "run": "true", "dependsOn": before, "priority": self.random.randint(-1, 1)}
            )
            self.added += 1
        return tasks(*rows)

    async def go_on(self) -> None:
        """Let an agent end, in some way, or landings stop or go on."""
        self.stage.ends_in_spite = self.random.random() < 0.3
        (self.stage.may_land.clear if self.random.random() < 0.2 else self.stage.may_land.set)()
        for task_id in list(self.stage.running)[: self.random.randint(0, 2)]:
            kind = self.random.choice(["completed"] * 5 + ["failed", "question", "proposes", "conflicts"])
            if kind == "question":
                await self.stage.ask(task_id)
            elif kind == "proposes":
                await self.stage.end(task_id, proposed=self.new_tasks())
            elif kind == "conflicts":
                self.stage.conflicting[task_id] = 1
                await self.stage.end(task_id)
            else:
                await self.stage.end(task_id, kind)
        await asyncio.sleep(self.random.choice([0, 0, 0.01, 0.05]))

    async def look(self, handle: WorkflowHandle[Any, Any]) -> bool:
        """Check what must hold at any moment; whether the execution goes on."""
        assert len(self.stage.running) <= self.most_agents, "I2"
        starts, self.seen = self.stage.starts[self.seen :], len(self.stage.starts)
        progress = await handle.query("progress")
        rows = {each["taskId"]: each for each in progress["tasks"]}
        assert sum(progress["counts"].values()) == len(rows) == len(progress["tasks"]), "I3"
        graph = await handle.query("graph")
        before: dict[str, list[str]] = {task_id: [] for task_id in graph["nodes"]}
        for edge in graph["edges"]:
            before[edge["to"]].append(edge["from"])
        known = TaskGraph(before, dict.fromkeys(before, 1.0))
        for run in starts:
            had = commits_in(run.base)
            assert len(had) == len(set(had)), "a change is in the head once"
            if run.resume is None:
                assert known.ancestors(run.task_id) <= set(had), f"I1: {run.task_id} began on {had}"
                assert run.task_id not in had, f"{run.task_id} finds its own earlier work"
        return progress["status"] in ("running", "paused") and any(
            each["status"] not in TERMINAL for each in rows.values()
        )

    async def finish(self, handle: WorkflowHandle[Any, Any]) -> None:
        """Answer everything and let every agent succeed, until the execution has ended."""
        ending = asyncio.ensure_future(handle.result())
        self.stage.may_land.set()
        self.stage.ends_in_spite = False
        async with asyncio.timeout(_END_SECONDS):
            while not ending.done():
                with contextlib.suppress(WorkflowUpdateFailedError, RPCError):
                    await handle.execute_update("resume")
                    for asked in await handle.query("questions"):
                        if asked["answer"] is None:
                            text = next(iter(asked["options"]), "x")
                            await handle.execute_update("answer", {"questionId": asked["id"], "text": text})
                for task_id in self.stage.running:
                    await self.stage.end(task_id)
                await asyncio.wait([ending], timeout=0.05)
        with contextlib.suppress(WorkflowFailureError):
            await ending

    async def check(self, handle: WorkflowHandle[Any, Any]) -> None:
        """Check what must hold at the end."""
        document = await result_of(handle)
        plan = read_plan(with_added(self.plan, document))
        history = await handle.fetch_history()
        rows = {row["taskId"]: row for row in document["results"]}
        for row in document["results"]:
            # The hub would say so.
            row["filesModified"] = row["changes"] = None
        violations = [*of_document(plan, document), *of_history(plan, document, history.events)]
        assert not violations, (violations, document["status"], document.get("error"), document["steering"][-8:])
        landed = [task_id for task_id, row in rows.items() if row["landed"] and row["commit"]]
        assert sorted(commits_in(self.stage.delivered)) == sorted(landed), "what is delivered is what has landed"
        if document["status"] in ("succeeded", "partial"):
            order = commits_in(self.stage.delivered)
            for task in plan.tasks:
                for dependency in task.depends_on:
                    if {task.id, dependency} <= set(order):
                        assert order.index(dependency) < order.index(task.id), order
            unlike = {task_id: row["status"] for task_id, row in rows.items()}
            assert [each for each, status in unlike.items() if status == "succeeded"] == [
                each for each, row in rows.items() if row["landed"]
            ], unlike
        assert await replay(history) is None, "I10"


async def _played(client: Client, seed: int) -> None:
    async with Stage(client).working() as stage:
        play = Play(stage, seed)
        handle = await stage.start(play.plan)
        try:
            with contextlib.suppress(RPCError):
                # After its end there is nobody to send to.
                for _ in range(MESSAGES):
                    await play.send(handle)
                    await play.go_on()
                    if not await play.look(handle):
                        break
            await play.finish(handle)
            await play.check(handle)
        except BaseException as error:
            told = "\n".join(play.sent)
            told = f"seed {seed}, {play.plan}\n{told}\nrunning: {stage.running}, delivered: {stage.delivered}"
            error.add_note(f"{told}\n{await _standing(handle)}")
            raise


async def _standing(handle: WorkflowHandle[Any, Any]) -> str:
    """Where the workflow stands: its tasks, what its coroutines wait for, the end of its history."""
    said = []
    for query in ("progress", "questions", "conflicts", "__stack_trace"):
        try:
            said.append(f"{query}: {await handle.query(query, rpc_timeout=timedelta(seconds=20))}")
        except Exception as error:
            said.append(f"{query}: {error!r}")
    history = await handle.fetch_history()
    names = [EventType.Name(event.event_type).removeprefix("EVENT_TYPE_") for event in history.events]
    return "\n".join([*said, f"{len(names)} events, the last: {' '.join(names[-20:])}"])


_SETTINGS = {"deadline": None, "phases": [Phase.generate], "suppress_health_check": list(HealthCheck)}


@settings(max_examples=4, derandomize=True, **_SETTINGS)  # type: ignore[arg-type]
@given(seed=st.integers(0, 2**32))
def test_any_sequence_of_updates_keeps_the_invariants(
    loop: asyncio.AbstractEventLoop, client: Client, seed: int
) -> None:
    loop.run_until_complete(_played(client, seed))


@pytest.mark.slow
@settings(max_examples=200, **_SETTINGS)  # type: ignore[arg-type]
@given(seed=st.integers(0, 2**32))
def test_many_sequences_of_updates_keep_the_invariants(
    loop: asyncio.AbstractEventLoop, client: Client, seed: int
) -> None:
    loop.run_until_complete(_played(client, seed))
