"""Limits of an API account: usage limits, rate limits, budgets."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.messages_api import Fault, MessagesApi, Script, Turn, by_task
from tests.scripted import Claude
from tests.site import Site
from tests.support import some_slow, tasks, until


@pytest.mark.parametrize("form", some_slow(["retry-after", "reset header", "message"], "retry-after"))
async def test_a_usage_limit_is_waited_for_by_everyone_and_nobody_calls_before(site: Site, form: str) -> None:
    # Each its own account: its limiter goes on knowing of the limit.
    api = MessagesApi(by_task({}))
    account = {"ANTHROPIC_API_KEY": f"sk-{form}"}
    moment = datetime.now(UTC) + timedelta(seconds=400)
    headers = {
        "retry-after": {"retry-after": "400"},
        "reset header": {
            "anthropic-ratelimit-tokens-remaining": "0",
            "anthropic-ratelimit-tokens-reset": moment.isoformat(),
        },
        "message": {},
    }[form]
    message = f"Usage limit reached, resets at {moment.isoformat()}" if form == "message" else "limit reached"
    limited = Fault(429, "rate_limit_error", message, headers)
    first = Turn(calls=[("Bash", {"command": "true"})], seconds=0.1)
    api.script = lambda task, turn, request: limited if turn else first
    async with api.serving():
        cli = replace(site.cli, environment=api.environment | account)
        claude = Claude(Site(cli, site.folder, site.connection), api)
        async with claude.worker():
            handle = await claude.start({"maxAgents": 4, "tasks": tasks(*({"id": f"t{n}"} for n in range(6)))})
            progress = await until(handle, lambda now: now["counts"].get("waiting") == 6)
            assert {task["waitingFor"] for task in progress["tasks"]} == {"usage-limit"}
            first_refusal = min(call.at for call in api.calls if call.status == 429)
            assert [call for call in api.calls if call.at > first_refusal + 1.0] == []
            await handle.terminate()


@pytest.mark.slow
async def test_after_a_usage_limit_the_tasks_go_on_by_themselves(site: Site) -> None:
    limited = [Fault(429, "rate_limit_error", "limit reached", {"retry-after": "301"})]

    def script(task: str, turn: int, request: dict[str, Any]) -> Turn | Fault:
        if turn == 1 and limited:
            return limited.pop()
        call = ("Bash", {"command": "echo $PPID"}) if turn < 2 else ("finish", {"summary": "done"})
        return Turn(calls=[call], seconds=0.1)

    async with account(site, "resumes", script) as claude, claude.worker():
        plan = {"maxAgents": 2, "tasks": tasks(*({"id": f"t{n}"} for n in range(3)))}
        handle = await claude.start(plan)
        await until(handle, lambda now: now["counts"].get("waiting") == 3)
        refused = max(call.at for call in claude.api.calls)
        document = await claude.end(handle, plan, seconds=400)
        after = [call.at for call in claude.api.calls if call.at > refused]
    assert document["status"] == "succeeded", document["results"]
    assert min(after) - refused > 295
    assert all(row["attempts"] == 1 for row in document["results"])
    assert document["results"][0]["waitedMs"]["usageLimit"] > 290_000


@asynccontextmanager
async def account(site: Site, name: str, script: Script, **quota: Any) -> AsyncIterator[Claude]:
    """A scripted API with a key of its own: its limiter knows nothing of other tests."""
    api = MessagesApi(script, **quota)
    async with api.serving():
        cli = replace(site.cli, environment=api.environment | {"ANTHROPIC_API_KEY": f"sk-{name}-{os.urandom(4).hex()}"})
        yield Claude(Site(cli, site.folder, site.connection), api)


async def under_quota(
    site: Site, name: str, *, agents: int, turns: int, quota: float, limit: int | None, workers: int, retry_after: bool
) -> dict[str, float]:
    """Agents that call as fast as they may; ratios to the ideal."""
    work = Turn(calls=[("report_progress", {"percent": 1})])

    def script(task: str, turn: int, request: dict[str, Any]) -> Turn:
        done = Turn(calls=[("finish", {"summary": "done"})])
        return replace(work, calls=[("report_progress", {"percent": turn})]) if turn < turns - 1 else done

    async with account(site, name, script, quota=quota, retry_after=retry_after) as claude, AsyncExitStack() as stack:
        for _ in range(workers):
            await stack.enter_async_context(claude.worker(beside=True))
        constraints = {"apiRateLimit": {"provider": "anthropic", "maxRequestsPerMinute": limit}} if limit else {}
        rows = tasks(*({"id": f"t{n}"} for n in range(agents)))
        plan = {"maxAgents": agents, "constraints": constraints, "tasks": rows}
        document = await claude.run(plan)
    assert document["status"] == "succeeded", document["results"]
    calls = claude.api.calls
    span = max(call.at for call in calls) - min(call.at for call in calls)
    durations = sorted(row["duration"] for row in document["results"])
    return {
        # The first call is free: so many intervals lie between the rest.
        "time": span / ((agents * turns - 1) / quota),
        "refused": sum(call.status == 429 for call in calls) / len(calls),
        "longest": durations[-1] / durations[len(durations) // 2],
    }


@pytest.mark.parametrize("limit", [600, None], ids=["limit given", "limit unknown"])
async def test_a_quota_is_shared_and_everybody_finishes(site: Site, limit: int | None) -> None:
    found = await under_quota(
        site, "small", agents=6, turns=6, quota=10, limit=limit, workers=1, retry_after=limit is None
    )
    assert found["longest"] < 3
    if limit is not None:
        assert found["refused"] < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(("limit", "most"), [(300, 1.1), (None, 1.3)])
@pytest.mark.parametrize("retry_after", [True, False])
async def test_twenty_agents_under_a_quota_of_five_a_second(
    site: Site, workers: int, limit: int | None, most: float, retry_after: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    found = await under_quota(
        site, "twenty", agents=20, turns=10, quota=5, limit=limit, workers=workers, retry_after=retry_after
    )
    with capsys.disabled():
        print(f" {workers} workers, limit {limit}, retry-after {retry_after}: {found}", flush=True)
    assert found["longest"] < 3
    if limit is not None:
        assert found["refused"] < 0.05
    assert found["time"] <= most
