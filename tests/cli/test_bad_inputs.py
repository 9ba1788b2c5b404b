"""Generated bad plans by every way in: each is refused in a line, or runs; nothing hangs, nothing shows a traceback."""

from __future__ import annotations

import asyncio
import copy
import json
import random
import uuid
from collections import Counter
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError

from tests.site import Site
from tests.support import Harness, tasks

_ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1e308,
    2**70,
    "",
    " ",
    "a\0b",
    "\u202e\u200b",
    "x" * 100_000,
    "../..",
    "-x",
    "a;touch P",
    [],
    {},
    [[]],
    {"": ""},
    ["a"] * 200,
    {"a": {"b": {"c": [1]}}},
    "auto",
    "claude",
    [None],
)
_KEYS = (
    "strategy",
    "maxAgents",
    "workspace",
    "tasks",
    "atomic",
    "deliver",
    "verify",
    "setup",
    "env",
    "passEnv",
    "include",
)
_KEYS_OF_LIMITS = (
    "network",
    "sandbox",
    "constraints",
    "onConflict",
    "onQuestion",
    "simulation",
    "base",
    "model",
    "agent",
    "nope",
)


def bad_plan(chance: random.Random) -> dict[str, Any]:
    """A plan of simulated tasks in which something, somewhere, is odd."""
    rows = tasks(*({"id": f"t{n}", "simulate": {"seconds": 0}} for n in range(3)))
    plan: dict[str, Any] = {"tasks": rows}
    for _ in range(chance.randint(1, 3)):
        place: Any = plan
        if isinstance(plan.get("tasks"), list) and plan["tasks"] and chance.random() < 0.5:
            place = chance.choice(plan["tasks"])
        if isinstance(place, dict):
            key = chance.choice(
                [
                    *place,
                    *_KEYS,
                    *_KEYS_OF_LIMITS,
                    "dependsOn",
                    "run",
                    "files",
                    "estimatedMinutes",
                    "simulate",
                    "priority",
                ]
            )
            place[key] = copy.deepcopy(chance.choice(_ODD))
    return plan


@pytest.mark.slow
async def test_150_bad_plans_by_the_command_line(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    chance, codes = random.Random(7), Counter[int]()
    for number in range(150):
        plan = bad_plan(chance)
        command = chance.choice(["run", "start", "analyze"])
        done = await asyncio.to_thread(
            site.cli, command, site.cli.plan(plan), *(["--json"] if number % 2 else []), code=None
        )
        codes[done.returncode] += 1
        assert "Traceback" not in done.stderr, (command, plan, done.stderr[-1500:])
        assert done.returncode in (0, 1, 2, 3), (command, plan, done.stderr[-500:])
        assert done.returncode == 0 or done.stderr or done.stdout, (command, plan)
        assert len(done.stderr) < 20_000, (command, str(plan)[:300])
    with capsys.disabled():
        print(f"150 inputs by commands: exit codes {dict(codes)}", flush=True)


@pytest.mark.slow
async def test_150_bad_plans_straight_through_temporal(harness: Harness, capsys: pytest.CaptureFixture[str]) -> None:
    chance, ends = random.Random(8), Counter[str]()
    async with harness.working():
        for _ in range(150):
            plan = bad_plan(chance)
            handle = await harness.start(plan, id=f"bad-{uuid.uuid4().hex}")
            try:
                async with asyncio.timeout(30):
                    await handle.result()
                ends["completed"] += 1
            except WorkflowFailureError as error:
                ends[getattr(error.cause, "type", None) or type(error.cause).__name__] += 1
            except TimeoutError:
                raise AssertionError(f"hangs: {json.dumps(plan)[:2000]}") from None
    with capsys.disabled():
        print(f"150 inputs through Temporal: {dict(ends)}", flush=True)
