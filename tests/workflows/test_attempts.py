"""Attempts: directory, environment, setup, and the options of the simulated agent."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import psutil
import pytest

from epw.client.documents import describe, progress_of
from epw.service.connection import Connection
from tests.support import Harness, ended, make_repository, sh, status_of, statuses, tasks, until


def show(repository: Path, document: dict[str, Any], path: str) -> str:
    return sh(repository, "git", "show", f"{document['delivery']['head']}:{path}")


async def test_the_environment_is_an_allow_list(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY_SECRET", "do-not-leak")
    monkeypatch.setenv("CANARY_PASSED", "passed-on")
    repository = make_repository(tmp_path / "repo")
    plan = {
        "workspace": str(repository),
        "env": {"PLAN": "p", "BOTH": "plan"},
        "passEnv": ["CANARY_PASSED"],
        "constraints": {"resourceLimits": {"maxMemoryMB": 256}},
        "tasks": tasks({"id": "t x", "run": "env | cut -d= -f1 | sort > names; env > all", "env": {"BOTH": "task"}}),
    }
    document = await harness.run(plan)
    allowed = ["PATH", "LANG", "TERM", "HOME", "TMPDIR", "PLAN", "BOTH", "CANARY_PASSED", "PWD", "SHLVL", "_"]
    epw = ["TASK_ID", "EXECUTION_ID", "ATTEMPT", "EVENTS", "WARNINGS", "MESSAGES", "CONSTRAINTS", "ATTEMPT_KEY"]
    assert set(show(repository, document, "names").split()) <= {*allowed, *(f"EPW_{name}" for name in epw)}
    seen = dict(line.split("=", 1) for line in show(repository, document, "all").splitlines() if "=" in line)
    assert (seen["BOTH"], seen["CANARY_PASSED"], seen["EPW_TASK_ID"], seen["EPW_ATTEMPT"]) == (
        "task",
        "passed-on",
        "t x",
        "1",
    )
    in_force = json.loads(seen["EPW_CONSTRAINTS"])["resourceLimits"]
    assert (in_force["maxMemoryMB"], in_force["maxDurationMs"], in_force["maxProcesses"]) == (256, 1_200_000, 512)
    assert set(in_force) == {"maxMemoryMB", "maxDurationMs", "maxProcesses", "maxCPUPercent", "maxDiskMB"}
    assert str(harness.home) in seen["HOME"]
    assert "notEnforced" not in document["results"][0]
    assert document["results"][0]["sandbox"] == "process"


async def test_passed_values_do_not_show_in_errors(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY_TOKEN", "s3cret-value")
    plan = {"passEnv": ["CANARY_TOKEN"], "tasks": tasks({"id": "a", "run": 'echo "token: $CANARY_TOKEN"; exit 1'})}
    async with harness.working():
        handle = await harness.start(plan)
        await ended(handle)
        history = (await handle.fetch_history()).to_json()
        document = await harness.document(handle)
    assert "token: [CANARY_TOKEN]" in document["results"][0]["error"]["message"]
    assert "s3cret-value" not in history


async def test_a_variable_that_the_worker_lacks_is_never_dropped(harness: Harness) -> None:
    run = 'echo "deploy with [${TOKEN_OF_NOBODY:-}]" > out'
    plan = {"strategy": "aggressive", "passEnv": ["TOKEN_OF_NOBODY"], "tasks": tasks({"id": "a", "run": run})}
    (row,) = (await harness.run(plan))["results"]
    assert row["error"]["type"] == "VariableMissing"
    assert "passEnv: TOKEN_OF_NOBODY not set for the worker" in row["error"]["message"]


@pytest.mark.parametrize(("touch", "runs"), [("true", 1), ("echo from setup >> lock", 2)])
async def test_setup_runs_once_for_a_base_and_include_brings_ignored_files(
    harness: Harness, tmp_path: Path, touch: str, runs: int
) -> None:
    """A setup that changes a tracked file runs again: its copy would undo what has landed since."""
    repository = make_repository(tmp_path / "repo", {".gitignore": "deps/\n.env\n", "lock": "1\n"})
    (repository / ".env").write_text("KEY=1\n")
    plan = {
        "workspace": str(repository),
        "setup": f"echo run >> {tmp_path}/count; mkdir deps; echo built > deps/lib; {touch}",
        "include": [".env"],
        "tasks": tasks(
            *({"id": f"t{n}", "run": f"cat deps/lib .env > out{n}"} for n in range(3)),
            {"id": "locks", "run": "echo 2 > lock"},
            {"id": "last", "run": "cat deps/lib lock > out", "dependsOn": ["t0", "t1", "t2", "locks"]},
        ),
    }
    document = await harness.run(plan)
    assert document["success"], document
    assert (tmp_path / "count").read_text() == "run\n" * runs
    assert show(repository, document, "out0") == "built\nKEY=1\n"
    assert show(repository, document, "out").startswith("built\n2\n"), "what a dependency landed is there"
    assert sorted(document["delivery"]["files"]) == ["lock", "out", "out0", "out1", "out2"]
    assert show(repository, document, "lock") == "2\n", "what setup changed is not delivered"


async def test_a_failing_setup_is_named(harness: Harness, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo")
    document = await harness.run(
        {"workspace": str(repository), "setup": "echo no; exit 9", "tasks": tasks({"id": "a", "run": "true"})}
    )
    assert document["results"][0]["error"]["type"] == "SetupFailed"
    assert "ended with 9: no" in document["results"][0]["error"]["message"]


async def test_success_is_the_check_not_the_agent_s_word(harness: Harness) -> None:
    plan = {"tasks": tasks({"id": "a", "run": "echo done > out", "verify": "grep -q finished out"})}
    document = await harness.run(plan)
    assert document["results"][0]["error"]["type"] == "VerifyFailed"


async def test_the_attempt_s_own_repository_is_clean_and_has_the_history(harness: Harness, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo")
    clean = 'test -z "$(git status --porcelain)"'
    run = f"{clean}; git log --format=%an > log; git add log; git commit -qm own"
    plan = {"workspace": str(repository), "tasks": tasks({"id": "a", "run": run})}
    document = await harness.run(plan)
    assert document["success"], document["results"]
    assert show(repository, document, "log") == "Ada\n"


async def test_an_agent_s_background_processes_end_with_it(harness: Harness, tmp_path: Path) -> None:
    daemon = f"setsid bash -c 'echo $$ > {tmp_path}/pid; exec sleep 300' &"
    run = f"{daemon} while [ ! -s {tmp_path}/pid ]; do sleep 0.02; done"
    assert (await harness.run({"tasks": tasks({"id": "a", "run": run})}))["success"]
    pid = int((tmp_path / "pid").read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


async def test_a_write_outside_declared_files_is_reported_not_refused(harness: Harness, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo")
    plan = {
        "workspace": str(repository),
        "tasks": tasks({"id": "a", "files": ["src/**"], "run": "mkdir src; touch src/x other"}),
    }
    document = await harness.run(plan)
    assert document["success"]
    (hazard,) = document["conflicts"]
    assert (hazard["type"], hazard["kind"], hazard["paths"]) == ("dependency", "hazard", ["other"])
    assert document["metrics"]["conflictCount"] == 0, "advice is no conflict"


async def test_progress_is_read_by_describe_and_leaves_no_events(harness: Harness, tmp_path: Path) -> None:
    report = """echo '{"progress": {"percent": 40, "operation": "editing", "files": ["a.py"]}}' >> "$EPW_EVENTS"
    echo 'not json' >> "$EPW_EVENTS"; echo '{"progress": {"percent": 4000}}' >> "$EPW_EVENTS"
    while [ ! -e %s/go ]; do sleep 0.05; done"""
    async with harness.working():
        handle = await harness.start({"tasks": tasks({"id": "a", "run": report % tmp_path})})
        connection = Connection(harness.client, None, is_embedded=False)
        async with asyncio.timeout(15):
            while True:
                found = await progress_of(connection, await describe(handle))
                if "a" in found and found["a"].percent is not None:
                    break
                await asyncio.sleep(0.1)
        assert (found["a"].percent, found["a"].operation, found["a"].files) == (40, "editing", ["a.py"])
        (tmp_path / "go").touch()
        await ended(handle)
        events = (await handle.fetch_history()).events
    assert len(events) <= 16


async def test_the_history_stays_within_its_bounds(harness: Harness, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo")
    count, text = 20, "x" * 8000
    plan = {
        "workspace": str(repository),
        "tasks": tasks(
            *(
                {"id": f"t{n}", "run": f"echo {n} > f{n} # {text}", "dependsOn": [f"t{n - 1}"] if n else []}
                for n in range(count)
            )
        ),
    }
    async with harness.working():
        handle = await harness.start(plan)
        assert await ended(handle) is None
        history = await handle.fetch_history()
    assert len(history.events) <= 60 + 12 * count
    assert history.to_json().count(text) <= 2 * count, "the plan's text stands at most twice"
    size = sum(event.ByteSize() for event in history.events)
    assert size <= len(json.dumps(plan)) * 2 + 4096 * count


async def test_two_executions_on_one_workspace_both_deliver(harness: Harness, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo")
    plans = [{"workspace": str(repository), "tasks": tasks({"id": "a", "run": f"echo {n} > f{n}"})} for n in range(3)]
    async with harness.working():
        handles = [await harness.start(plan) for plan in plans]
        assert [await ended(handle) for handle in handles] == [None] * 3
    assert len(sh(repository, "git", "branch", "--list", "epw/*").split()) == 3


@pytest.mark.parametrize(
    ("simulate", "status", "attempts"),
    [
        ({"writes": {"a/b": "text"}, "deletes": ["README.md"]}, "succeeded", 1),
        ({"failAttempts": [1]}, "succeeded", 2),
        ({"failRate": 1}, "failed", 2),
        ({"memoryMB": 30, "cpuSeconds": 0.1}, "succeeded", 1),
    ],
)
async def test_levers_of_the_simulated_agent(
    harness: Harness, tmp_path: Path, simulate: dict[str, Any], status: str, attempts: int
) -> None:
    repository = make_repository(tmp_path / "repo")
    document = await harness.run({"workspace": str(repository), "tasks": tasks({"id": "s", "simulate": simulate})})
    (row,) = document["results"]
    assert (row["status"], row["attempts"], row["simulated"]) == (status, attempts, True)
    if "writes" in simulate:
        assert {(c["file"], c["type"]) for c in row["changes"]} == {("a/b", "create"), ("README.md", "delete")}


async def test_a_simulated_agent_asks_and_hangs(harness: Harness) -> None:
    plan = {"tasks": tasks({"id": "asks", "simulate": {"ask": "sure?"}}, {"id": "hangs", "simulate": {"hang": True}})}
    async with harness.working():
        handle = await harness.start(plan)
        await until(handle, lambda now: status_of(now) == {"asks": "waiting", "hangs": "running"})
        await handle.execute_update("answer", {"questionId": "q1", "text": "yes"})
        await until(handle, lambda now: status_of(now)["asks"] == "succeeded")
        await handle.cancel()
        await ended(handle)
        assert statuses(await harness.document(handle))["hangs"] == "cancelled"


@pytest.mark.parametrize("task_id", ["-x", "--upload-pack=x", "a;touch P", "$(touch P)", "x/y", "é‮ü", "'\"", "a" * 128])
async def test_odd_ids_are_only_text(harness: Harness, tmp_path: Path, task_id: str) -> None:
    repository = make_repository(tmp_path / "repo")
    plan = {
        "workspace": str(repository),
        "tasks": tasks(
            {"id": task_id, "run": "echo $EPW_TASK_ID > id"}, {"id": "x", "run": "true", "dependsOn": [task_id]}
        ),
    }
    document = await harness.run(plan, id=f"odd {task_id} {tmp_path.name}")
    assert document["success"]
    assert show(repository, document, "id") == f"{task_id}\n"
    assert not list(tmp_path.rglob("P"))
