"""Record the histories that workflows/test_replay.py replays: `make histories`, after a deliberate change only.

`python -m tests.record_histories NAME ...`: only those.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from activities.model_api.api import PROVIDER, Api
from epw.core.messages import WORKFLOW_TYPE
from epw.service.connection import SearchAttributes
from epw.service.converter import data_converter
from tests.command_line import ROOT
from tests.messages_api import Fault, MessagesApi
from tests.support import Harness, ended, make_repository, sh, status_of, tasks, until

FOLDER = Path(__file__).parent / "histories"
LIMITER = FOLDER / "limiter/leases.json"
PROPOSES = '{"propose": [{"id": "p", "description": "proposed", "run": "echo 1 > p"}]}'
ASK = """[ -n "${EPW_ANSWER:-}" ] && exit 0; echo '{"question": "ok?"}' > "$EPW_EVENTS"; exit 75"""


def plans(repository: str) -> dict[str, dict[str, Any]]:
    """Scenario of each history, by name."""
    fail = {"id": "bad", "run": "exit 1"}
    good = {"id": "good", "run": "echo 1 > good"}
    child = {"id": "child", "run": "true", "dependsOn": ["bad"]}
    return {
        "branch_delivered": {
            "workspace": repository,
            "verify": "true",
            "tasks": tasks(good, {"id": "b", "run": "echo 2 > b", "dependsOn": ["good"]}),
        },
        "conservative_rolled_back": {
            "workspace": repository,
            "tasks": tasks(good, {**fail, "dependsOn": ["good"]}, {"id": "slow", "run": "sleep 30"}),
        },
        "aggressive_partial": {"workspace": repository, "strategy": "aggressive", "tasks": tasks(fail, child, good)},
        "conflict_retried": {
            "workspace": repository,
            "strategy": "aggressive",
            "tasks": tasks({"id": "a", "run": "echo A > f"}, {"id": "b", "run": "sleep 0.3; echo B > f"}),
        },
        "conflict_asked": {
            "workspace": repository,
            "onConflict": ["ask"],
            "tasks": tasks({"id": "a", "run": "echo A > f"}, {"id": "b", "run": "sleep 0.3; echo B > f"}),
        },
        "told_of_a_line": {
            "maxAgents": 1,
            "tasks": tasks({"id": "slow", "run": "sleep 1"}, {"id": "next", "run": "true"}),
        },
        "conflict_skipped": {
            "workspace": repository,
            "strategy": "aggressive",
            "onConflict": ["skip"],
            "tasks": tasks({"id": "a", "run": "echo A > f"}, {"id": "b", "run": "sleep 0.3; echo B > f"}),
        },
        "culprit_left_out": {
            "workspace": repository,
            "strategy": "aggressive",
            "verify": "test ! -e bad",
            "tasks": tasks(good, {"id": "red", "run": "echo 1 > bad"}),
        },
        "merged_onto_red": {
            "workspace": repository,
            "strategy": "aggressive",
            "verify": "test ! -e bad",
            "onConflict": ["skip"],
            "tasks": tasks(
                {"id": "seq", "run": "seq 9 > lines"},
                {"id": "red", "run": "echo 1 > bad; sed -i 1s/.*/red/ lines", "dependsOn": ["seq"]},
                {"id": "innocent", "run": "sleep 1.5; sed -i 9s/.*/innocent/ lines", "dependsOn": ["seq"]},
            ),
        },
        "tried": {
            "workspace": repository,
            "strategy": "aggressive",
            "maxAgents": 5,
            "verify": "sleep 0.5; test ! -e bad",
            "onConflict": ["skip"],
            "checks": {
                "command": "sleep 0.5; test ! -e a.x || test ! -e c.x || echo 'c.x:1: not both'",
                "files": ["*.x"],
            },
            "tasks": tasks(
                {"id": "seq", "run": "seq 90 > lines"},
                {"id": "a", "run": "echo 1 > a.x", "dependsOn": ["seq"]},
                {"id": "b", "run": "sleep 0.3; echo 1 > b.x; sed -i 9s/.*/b/ lines", "dependsOn": ["seq"]},
                {"id": "c", "run": "sleep 0.5; echo 1 > c.x", "dependsOn": ["seq"]},
                {"id": "d", "run": "sleep 0.6; echo 1 > d.x; sed -i 50s/.*/d/ lines", "dependsOn": ["seq"]},
                {"id": "red", "run": "sleep 0.6; echo 1 > bad; sed -i 70s/.*/e/ lines", "dependsOn": ["seq"]},
                {"id": "after", "run": "true", "dependsOn": ["d"]},
            ),
        },
        "head_checked": {
            "workspace": repository,
            "strategy": "aggressive",
            "verify": "test ! -e bad",
            "onConflict": ["skip"],
            "checks": {"command": "test ! -e c.x || test -e a.x || echo 'c.x:1: needs a.x'", "files": ["*.x"]},
            "tasks": tasks(
                {"id": "a", "run": "echo 1 > a.x; echo 1 > bad"},
                {"id": "later", "run": "sleep 1.5"},
                {"id": "c", "run": "echo 1 > c.x", "dependsOn": ["later"]},
            ),
        },
        "handed_over": {
            "workspace": repository,
            "strategy": "aggressive",
            "pullRequest": {},
            "notify": [{"command": "true"}, {"on": ["failed"], "command": ["false"]}],
            "tasks": tasks(good, fail),
        },
        "question_answered": {"maxAgents": 1, "tasks": tasks({"id": "asks", "run": ASK})},
        "question_timed_out": {"onQuestion": {"timeoutMinutes": 0.01}, "tasks": tasks({"id": "asks", "run": ASK})},
        "paused_and_resized": {"maxAgents": 1, "tasks": tasks(*({"id": str(n), "run": "sleep 0.2"} for n in range(4)))},
        "steered": {
            "workspace": repository,
            "strategy": "aggressive",
            "onProposal": "take",
            "tasks": tasks(
                {"id": "a", "run": f"echo '{PROPOSES}' >> \"$EPW_EVENTS\"; echo 1 > a"},
                {"id": "b", "run": "echo 1 > b", "dependsOn": ["a"]},
                {"id": "slow", "run": "sleep 30"},
                {"id": "wait", "run": 'until [ -s "$EPW_MESSAGES" ]; do sleep 0.05; done'},
            ),
        },
        "applied": {
            "workspace": repository,
            "deliver": "apply",
            "tasks": tasks({"id": "a", "run": "echo 1 > applied"}),
        },
        "batch_undone": {
            "workspace": repository,
            "strategy": "aggressive",
            "atomic": "batch",
            "tasks": tasks(
                good,
                {"id": "next", "run": "echo 1 > next", "dependsOn": ["good"]},
                {**fail, "dependsOn": ["good"]},
            ),
        },
        "redriven": {"workspace": repository, "tasks": tasks({"id": "a", "run": "echo 1 > a"}, good)},
        "dropped": {
            "workspace": repository,
            "strategy": "aggressive",
            "onConflict": ["merge", "skip"],
            "tasks": tasks({"id": "a", "run": "echo 1 > a"}, good),
        },
        "cancelled": {"workspace": repository, "tasks": tasks(good, {"id": "slow", "run": "sleep 30"})},
        "simulated_wide": {
            "agent": "simulated",
            "strategy": "aggressive",
            "maxAgents": 8,
            "tasks": tasks(*({"id": str(n), "simulate": {"seconds": 0.01, "failRate": 0.2}} for n in range(40))),
        },
        "budget_spent": {
            "agent": "claude",
            "maxAgents": 1,
            "strategy": "aggressive",
            "constraints": {"budget": {"maxTokens": 1_000}},
            "tasks": tasks({"id": "spends"}, {"id": "rest"}),
        },
        "usage_limited": {
            "agent": "claude",
            "strategy": "aggressive",
            "constraints": {"apiRateLimit": {"provider": "anthropic", "maxRequestsPerMinute": 600}},
            "tasks": tasks({"id": "waits"}),
        },
        "invalid": {"tasks": []},
    }


async def _start(harness: Harness, name: str, plan: dict[str, Any]) -> WorkflowHandle[Any, Any]:
    if name not in ("redriven", "dropped"):
        return await harness.start(plan, id=f"recorded-{name}")
    earlier = await harness.start(plan, id=f"recorded-before-{name}")
    result = await earlier.result()
    redrive = {"of": earlier.id, "commits": {row["taskId"]: row["commit"] for row in result["results"][:1]}}
    if name == "dropped":
        redrive |= {"base": result["delivery"]["base"], "order": list(redrive["commits"])}
        plan = {**plan, "tasks": plan["tasks"][:1]}
    return await harness.client.start_workflow(
        WORKFLOW_TYPE, args=[plan, redrive], id=f"recorded-{name}", task_queue=harness.queue
    )


def _limited(*_: object) -> Fault:
    return Fault(429, "rate_limit_error", "limit reached", {"retry-after": "4000"})


async def _steer(handle: WorkflowHandle[Any, Any], name: str) -> None:
    """Messages that callers send to an execution while it is recorded."""
    if name in ("question_answered", "budget_spent"):
        await until(handle, lambda now: now["counts"].get("waiting"))
        answer = "yes" if name == "question_answered" else "stop"
        await handle.execute_update("answer", {"questionId": "q1", "text": answer})
    if name == "paused_and_resized":
        await handle.execute_update("pause", {})
        await handle.execute_update("set_max_agents", {"maxAgents": 3})
        await handle.execute_update("resume", {})
    if name == "steered":
        await until(handle, lambda now: now["counts"].get("succeeded") == 3)
        await handle.execute_update("set_priority", {"taskId": "slow", "priority": 1})
        await handle.execute_update("set_budget", {"maxTokens": 1_000_000})
        await handle.execute_update("cancel_task", {"taskId": "slow", "by": "ada@there"})
        await handle.execute_update("retry_task", {"taskId": "a"})
        await until(handle, lambda now: now["counts"].get("succeeded") == 3)
        await handle.execute_update("retry_task", {"taskId": "slow"})
        await until(handle, lambda now: status_of(now)["slow"] == "running")
        more = tasks({"id": "more", "run": "true", "dependsOn": ["b"]})
        await handle.execute_update("add_tasks", {"tasks": more})
        await handle.execute_update("cancel_task", {"taskId": "slow"})
        await handle.execute_update("message", {"taskId": "wait", "text": "go on"})
    if name == "conflict_asked":
        await until(handle, lambda now: now["tasks"][1]["waitingFor"] == "question")
        await handle.execute_update("resolve_conflict", {"conflictId": "c1", "choice": "prefer:b"})
    if name == "told_of_a_line":
        await until(handle, lambda now: status_of(now)["slow"] == "running")
        await handle.signal("in_line", {"worker": "w", "tasks": ["slow", "nobody"]})
        await handle.signal("in_line", {"worker": "w", "tasks": []})
        await handle.signal("in_line", "nonsense")
    if name == "cancelled":
        await until(handle, lambda now: status_of(now)["slow"] == "running")
        await handle.cancel()
    if name == "usage_limited":
        await until(handle, lambda now: now["counts"].get("waiting"))
        await handle.cancel()


async def record(binary: str, wanted: list[str]) -> None:
    api = MessagesApi(_limited)
    with tempfile.TemporaryDirectory() as scratch:
        repository = make_repository(Path(scratch, "repo"), {"f": "0\n"})
        sh(Path(scratch), "git", "init", "--quiet", "--bare", "origin.git")
        sh(repository, "git", "remote", "add", "origin", f"{scratch}/origin.git")
        environment = await WorkflowEnvironment.start_local(
            data_converter=data_converter, dev_server_existing_path=binary, dev_server_log_level="never"
        )
        async with environment, api.serving():
            os.environ.update(api.environment)
            await SearchAttributes(environment.client).known()
            harness = Harness(environment.client, Path(scratch, "home"), f"queue-{uuid.uuid4().hex[:8]}")
            for name, plan in plans(str(repository)).items():
                if wanted and name not in wanted:
                    continue
                async with harness.working():
                    handle = await _start(harness, name, plan)
                    await _steer(handle, name)
                    await ended(handle)
                    await _keep(handle, FOLDER / f"{name}.json", scratch)
                    if name == "usage_limited":
                        limiter = harness.client.get_workflow_handle(f"rate-limit-{PROVIDER}-{Api.account()}")
                        await _keep(limiter, LIMITER, scratch)


async def _keep(handle: WorkflowHandle[Any, Any], path: Path, scratch: str) -> None:
    history = await handle.fetch_history()
    path.parent.mkdir(exist_ok=True)
    path.write_text(history.to_json().replace(scratch, "/scratch").replace(str(ROOT), "/epw") + "\n")
    print(f"{path.stem}: {len(history.events)} events")


if __name__ == "__main__":
    asyncio.run(record(str(Path(sys.executable).parent / "temporal"), sys.argv[1:]))
