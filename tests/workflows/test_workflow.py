"""Executions on a real server, with real commands on real repositories."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from tests.support import (
    Harness,
    ended,
    eventually,
    failure_type,
    fingerprint,
    make_repository,
    sh,
    status_of,
    statuses,
    tasks,
    until,
)


async def test_changes_of_parallel_tasks_land_on_one_branch(harness: Harness, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo", {"shared.txt": "one\n2\n3\n4\nfive\n"})
    (repository / "dirty").write_text("untracked\n")
    before = fingerprint(repository)
    plan = {
        "workspace": str(repository),
        "maxAgents": 3,
        "tasks": tasks(
            {"id": "top", "run": "sed -i s/one/ONE/ shared.txt"},
            {"id": "bottom", "run": "sed -i s/five/FIVE/ shared.txt"},
            {"id": "new", "run": "cp dirty copy"},
            {"id": "join", "run": "grep ONE shared.txt && grep FIVE shared.txt > seen", "dependsOn": ["top", "bottom"]},
        ),
    }
    document = await harness.run(plan)
    assert document["status"] == "succeeded"
    branch = document["delivery"]["branch"]
    assert branch == f"epw/{document['executionId']}"
    assert fingerprint(repository, but=(f".git/refs/heads/{branch}",)) == before
    base, head = document["delivery"]["base"], document["delivery"]["head"]
    assert sh(repository, "git", "rev-parse", branch).strip() == head
    changed = set(sh(repository, "git", "diff", "--name-only", base, branch).split())
    assert (
        changed
        == {file for row in document["results"] for file in row["filesModified"]}
        == {
            "shared.txt",
            "copy",
            "seen",
        }
    )
    assert sh(repository, "git", "show", f"{branch}:shared.txt") == "ONE\n2\n3\n4\nFIVE\n"
    assert sh(repository, "git", "show", f"{base}:dirty") == "untracked\n"
    assert sh(repository, "git", "log", "-1", "--format=%an %ae", head) == "Ada ada@example.org\n"


async def test_conservative_failure_cancels_siblings_and_rolls_back(harness: Harness, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo")
    before = fingerprint(repository)
    plan = {
        "workspace": str(repository),
        "tasks": tasks(
            {"id": "first", "run": "echo 1 > first"},
            {"id": "bad", "run": "test -e first && exit 3 || exit 4", "dependsOn": ["first"]},
            {"id": "slow", "run": "echo $$ > $EPW_PID_FILE; sleep 600"},
            {"id": "after", "run": "true", "dependsOn": ["slow"]},
        ),
        "env": {"EPW_PID_FILE": str(tmp_path / "pid")},
    }
    async with harness.working():
        handle = await harness.start(plan)
        assert await failure_type(handle) == "ExecutionRolledBack"
        document = await harness.document(handle)
    assert statuses(document) == {"first": "succeeded", "bad": "failed", "slow": "cancelled", "after": "skipped"}
    assert document["status"] == "rolled_back"
    assert [row["landed"] for row in document["results"]] == [False] * 4
    bad = document["results"][1]
    assert (bad["attempts"], bad["error"]["type"]) == (2, "CommandFailed")
    assert "ended with 3" in bad["error"]["message"]
    assert fingerprint(repository) == before
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


async def test_aggressive_failure_skips_descendants_and_delivers_the_rest(harness: Harness, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo")
    plan = {
        "workspace": str(repository),
        "strategy": "aggressive",
        "tasks": tasks(
            {"id": "bad", "run": "echo half > half; exit 1"},
            {"id": "child", "run": "true", "dependsOn": ["bad"]},
            {"id": "grandchild", "run": "true", "dependsOn": ["child"]},
            {"id": "good", "run": "echo good > good"},
            {"id": "more", "run": "cat good > more", "dependsOn": ["good"]},
        ),
    }
    document = await harness.run(plan)
    assert document["status"] == "partial"
    assert document["results"][0]["attempts"] == 4
    assert document["results"][0]["filesModified"] == ["half"], "a failed attempt's work is kept"
    assert set(document["delivery"]["files"]) == {"good", "more"}


async def test_nothing_landed_is_failed(harness: Harness, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo")
    plan = {
        "workspace": str(repository),
        "strategy": "aggressive",
        "tasks": tasks({"id": "a", "run": "exit 1"}),
    }
    document = await harness.run(plan)
    assert document["status"] == "failed"
    assert sh(repository, "git", "branch", "--list", "epw/*") == ""


@pytest.mark.parametrize(
    ("strategy", "expected", "of_error"),
    [("conservative", "failed", "ExecutionFailed"), ("aggressive", "partial", None)],
)
async def test_without_a_workspace(harness: Harness, strategy: str, expected: str, of_error: str | None) -> None:
    plan = {
        "strategy": strategy,
        "tasks": tasks(
            {"id": "ok", "run": "pwd; ls -A; echo x > y"}, {"id": "bad", "run": "exit 1", "dependsOn": ["ok"]}
        ),
    }
    async with harness.working():
        handle = await harness.start(plan)
        assert await failure_type(handle) == of_error
        document = await harness.document(handle)
    assert document["status"] == expected
    assert [row["landed"] for row in document["results"]] == [None, None]
    assert document["results"][0]["changes"] == [
        {"file": "y", "type": "create", "additions": 1, "deletions": 0, "lineNumbers": {"start": 1, "end": 1}}
    ]


async def test_a_question_holds_no_slot_and_the_agent_goes_on_in_its_tree(harness: Harness, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo")
    ask = """
    if [ -z "${EPW_ANSWER:-}" ]; then
      echo begun > work; echo kept > "$TMPDIR/kept"
      echo '{"question": "red or blue?", "options": ["red", "blue"]}' >> "$EPW_EVENTS"
      exit 75
    fi
    cat "$TMPDIR/kept" work > both; echo "$EPW_ANSWER $EPW_ATTEMPT" > answer
    """
    plan = {
        "workspace": str(repository),
        "maxAgents": 1,
        "tasks": tasks({"id": "asks", "run": ask, "priority": 1}, {"id": "other", "run": "echo other > other"}),
    }
    async with harness.working():
        handle = await harness.start(plan)
        waits = await until(handle, lambda now: status_of(now) == {"asks": "waiting", "other": "succeeded"})
        assert waits["tasks"][0]["waitingFor"] == "question"
        (question,) = await handle.query("questions")
        assert (question["text"], question["options"], question["answer"]) == ("red or blue?", ["red", "blue"], None)
        await handle.execute_update("answer", {"questionId": question["id"], "text": "blue"})
        with pytest.raises(Exception, match="Workflow update failed") as refused:
            await handle.execute_update("answer", {"questionId": question["id"], "text": "red"})
        assert "already answered" in str(refused.value.__cause__)
        await ended(handle)
        document = await harness.document(handle)
    assert document["status"] == "succeeded"
    head = document["delivery"]["head"]
    assert sh(repository, "git", "show", f"{head}:answer") == "blue 1\n"
    assert sh(repository, "git", "show", f"{head}:both") == "kept\nbegun\n"
    assert document["results"][0]["waitedMs"]["question"] > 0
    assert document["questions"][0]["answer"] == "blue"


async def test_cancel_ends_agents_and_delivers_nothing(harness: Harness, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo")
    before = fingerprint(repository)
    plan = {
        "workspace": str(repository),
        "tasks": tasks(
            {"id": "done", "run": "echo 1 > done"},
            {"id": "slow", "run": f"echo part > part; touch {tmp_path}/wrote; setsid sleep 600 & sleep 600"},
            {"id": "later", "run": "true", "dependsOn": ["slow"]},
        ),
    }
    async with harness.working():
        handle = await harness.start(plan)
        await until(handle, lambda now: status_of(now)["done"] == "succeeded" and status_of(now)["slow"] == "running")
        await eventually((tmp_path / "wrote").exists)
        await handle.cancel()
        async with asyncio.timeout(5):
            await ended(handle)
        described = await handle.describe()
        document = await harness.document(handle)
    assert described.status is not None
    assert described.status.name == "CANCELED"
    assert document["status"] == "cancelled"
    assert statuses(document) == {"done": "succeeded", "slow": "cancelled", "later": "skipped"}
    assert document["delivery"]["branch"] is None
    assert fingerprint(repository) == before
    # The same on a worker that has it from its history, and without one.
    from_history = await harness.document(handle)
    async with harness.working():
        later = await harness.document(handle)
    assert described.close_time is not None
    took = (described.close_time - described.start_time).total_seconds() * 1000
    for each in (document, later, from_history):
        assert took - 1000 <= each["metrics"]["totalDuration"] <= took + 1


async def test_a_conflict_is_recorded_in_full_and_skipped(harness: Harness, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo", {"f": "a\nb\nc\n"})
    plan = {
        "workspace": str(repository),
        "strategy": "aggressive",
        "onConflict": ["skip"],
        "tasks": tasks(
            {"id": "one", "run": "sed -i s/b/B1/ f"},
            {"id": "two", "run": "sleep 0.4; sed -i s/b/B2/ f"},
            {"id": "child", "run": "true", "dependsOn": ["two"]},
        ),
    }
    document = await harness.run(plan)
    assert statuses(document) == {"one": "succeeded", "two": "conflicted", "child": "skipped"}
    (conflict,) = document["conflicts"]
    assert (conflict["type"], conflict["kind"], conflict["tasks"]) == ("file-level", "lines", ["two", "one"])
    assert (conflict["resolution"], conflict["decidedBy"]) == ("skip", "plan")
    assert conflict["hunks"] == [{"path": "f", "line": 2, "ours": "B1\n", "base": "b\n", "theirs": "B2\n"}]
    assert conflict["resolutionOptions"]
    assert sh(repository, "git", "show", f"{document['delivery']['head']}:f") == "a\nB1\nc\n"


async def test_pause_starts_nothing_new_and_resume_goes_on(harness: Harness, tmp_path: Path) -> None:
    plan = {
        "maxAgents": 1,
        "tasks": tasks(
            {"id": "a", "run": f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done"}, {"id": "b", "run": "true"}
        ),
    }
    async with harness.working():
        handle = await harness.start(plan)
        await until(handle, lambda now: status_of(now)["a"] == "running")
        await handle.execute_update("pause", {})
        (tmp_path / "go").touch()
        paused = await until(handle, lambda now: status_of(now)["a"] == "succeeded")
        assert (paused["status"], status_of(paused)["b"]) == ("paused", "ready")
        await handle.execute_update("resume", {})
        assert await ended(handle) is None


async def test_more_agents_start_waiting_tasks_at_once(harness: Harness, tmp_path: Path) -> None:
    wait = f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done"
    plan = {"maxAgents": 1, "tasks": tasks(*({"id": str(n), "run": wait} for n in range(3)))}
    async with harness.working():
        handle = await harness.start(plan)
        await until(handle, lambda now: now["counts"].get("running") == 1)
        await handle.execute_update("set_max_agents", {"maxAgents": 3})
        await until(handle, lambda now: now["counts"].get("running") == 3)
        with pytest.raises(Exception, match="Workflow update failed"):
            await handle.execute_update("set_max_agents", {"maxAgents": 0})
        (tmp_path / "go").touch()
        assert await ended(handle) is None
        assert (await harness.document(handle))["metrics"]["agentsUsed"] == 3


@pytest.mark.parametrize(
    "request_",
    [
        None,
        "text",
        [],
        {},
        {"tasks": []},
        {"tasks": [{"id": "a"}]},
        {"tasks": tasks({"id": "a", "run": "true", "dependsOn": ["a"]})},
        {
            "tasks": tasks(
                {"id": "a", "run": "true", "dependsOn": ["b"]}, {"id": "b", "run": "true", "dependsOn": ["a"]}
            )
        },
        {"tasks": tasks({"id": "a", "run": "true"}), "workspace": "relative"},
        {"tasks": tasks({"id": "a", "run": "true"}), "workspace": "/does/not/exist"},
        {"agent": "command", "tasks": tasks({"id": "a"})},
        {"tasks": tasks({"id": "a", "run": "true"}), "maxAgent": 3},
    ],
)
async def test_a_bad_plan_straight_to_temporal_fails_at_once(harness: Harness, request_: Any) -> None:
    async with harness.working():
        handle = await harness.start(request_)
        cause = await asyncio.wait_for(ended(handle), 10)
    assert isinstance(cause, ApplicationError)
    assert cause.type == "InvalidPlan"
    assert cause.message


async def test_final_verify_red_under_aggressive_leaves_the_culprit_out(harness: Harness, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo")
    plan = {
        "workspace": str(repository),
        "strategy": "aggressive",
        "verify": "test ! -e poison",
        "tasks": tasks(
            {"id": "good", "run": "echo 1 > good"},
            {"id": "bad", "run": "echo 1 > poison"},
            {"id": "child", "run": "echo 1 > child", "dependsOn": ["bad"]},
            {"id": "fine", "run": "echo 1 > fine", "dependsOn": ["good"]},
        ),
    }
    document = await harness.run(plan)
    assert document["status"] == "partial"
    assert statuses(document) == {"good": "succeeded", "bad": "conflicted", "child": "skipped", "fine": "succeeded"}
    assert set(document["delivery"]["files"]) == {"good", "fine"}
    assert document["conflicts"][0]["kind"] == "verify"


async def test_final_verify_red_under_conservative_rolls_back(harness: Harness, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo")
    plan = {"workspace": str(repository), "verify": "test ! -e a", "tasks": tasks({"id": "a", "run": "echo 1 > a"})}
    async with harness.working():
        handle = await harness.start(plan)
        assert await failure_type(handle) == "ExecutionRolledBack"
        document = await harness.document(handle)
    assert document["status"] == "rolled_back"
    assert document["error"]["message"].startswith("verify is red, of what a did: ")


@pytest.mark.parametrize(("strategy", "status"), [("conservative", "rolled_back"), ("aggressive", "failed")])
async def test_nobody_is_blamed_for_a_verify_that_was_red_before(
    harness: Harness, tmp_path: Path, strategy: str, status: str
) -> None:
    rows = tasks({"id": "a", "run": "echo 1 > a"}, {"id": "b", "run": "echo 1 > b"})
    plan = {"workspace": str(make_repository(tmp_path / "repo")), "verify": "exit 1", "tasks": rows}
    document = await harness.run({**plan, "strategy": strategy})
    assert (document["status"], document["conflicts"]) == (status, [])
    assert statuses(document) == {"a": "succeeded", "b": "succeeded"}
    message = document["error"]["message"]
    assert message.startswith(
        "verify of the plan is red before any task too (no task made it so): `exit 1` ended with 1"
    )


async def test_a_taken_branch_name_gets_a_number(harness: Harness, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo")
    sh(repository, "git", "branch", "epw/twice")
    plan = {"workspace": str(repository), "tasks": tasks({"id": "a", "run": "echo 1 > a"})}
    document = await harness.run(plan, id="twice")
    assert document["delivery"]["branch"] == "epw/twice-2"


async def test_a_refused_delivery_leaves_the_branch_in_the_hub(harness: Harness, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo")
    meanwhile = f"git -C {repository} branch epw; echo 1 > a"
    plan = {"workspace": str(repository), "tasks": tasks({"id": "a", "run": meanwhile})}
    async with harness.working():
        handle = await harness.start(plan)
        assert await failure_type(handle) == "DeliveryRefused"
        document = await harness.document(handle)
    assert document["status"] == "undelivered"
    assert document["results"][0]["landed"] is True
    (command,) = document["delivery"]["finishWith"]
    sh(repository, "bash", "-c", command)
    assert "delivered-epw" in sh(repository, "git", "branch", "--list", "delivered-*")


async def test_what_makes_delivery_impossible_is_said_before_anything_ran(harness: Harness, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo")
    sh(repository, "git", "branch", "epw")
    plan = {"workspace": str(repository), "tasks": tasks({"id": "a", "run": f"touch {tmp_path}/ran"})}
    async with harness.working():
        assert await failure_type(await harness.start(plan)) == "InvalidPlan"
    assert not (tmp_path / "ran").exists()


async def test_a_file_that_becomes_a_link_and_a_link_that_becomes_a_file_are_told(
    harness: Harness, tmp_path: Path
) -> None:
    repository = make_repository(tmp_path / "repo", {"a": "1\n", "b": "2\n"})
    (repository / "link").symlink_to("a")
    plan = {
        "workspace": str(repository),
        "deliver": "apply",
        "tasks": tasks({"id": "t", "run": "ln -sf b a; rm link; echo 3 > link; echo 4 >> b"}),
    }
    document = await harness.run(plan)
    assert document["status"] == "succeeded"
    kinds = {change["file"]: (change["type"], change["lineNumbers"]) for change in document["results"][0]["changes"]}
    one = {"start": 1, "end": 1}
    assert kinds == {"a": ("modify", one), "b": ("modify", {"start": 2, "end": 2}), "link": ("modify", one)}
    assert (repository / "a").readlink() == Path("b")
    assert (repository / "link").read_text() == "3\n"


@pytest.mark.parametrize("link", ["/etc/passwd", "../../out", "sub/../../out", ".git/hooks"])
async def test_a_link_that_leaves_the_workspace_does_not_land(harness: Harness, tmp_path: Path, link: str) -> None:
    repository = make_repository(tmp_path / "repo", {"a": "1\n"})
    (repository / "theirs").symlink_to("/etc/hosts")
    plan = {
        "workspace": str(repository),
        "strategy": "aggressive",
        "tasks": tasks({"id": "t", "run": f"ln -s {link} out"}, {"id": "fine", "run": "mkdir d; ln -s ../a d/in"}),
    }
    document = await harness.run(plan)
    assert statuses(document) == {"t": "failed", "fine": "succeeded"}
    assert document["results"][0]["error"]["type"] == "UnsafeSymlink"
    assert document["results"][0]["commit"] is not None


@pytest.mark.parametrize("kind", ["git", "directory"])
async def test_what_finishes_a_refused_application_touches_neither_head_nor_index(
    harness: Harness, tmp_path: Path, kind: str
) -> None:
    path = make_repository(tmp_path / "repo", {"a": "1\n", "b": "1\n"})
    if kind == "directory":
        sh(path, "rm", "-rf", ".git")
    theirs = f"echo user > {path}/a; echo 2 > a; echo 2 > b"
    plan = {"workspace": str(path), "deliver": "apply", "tasks": tasks({"id": "t", "run": theirs})}
    async with harness.working():
        handle = await harness.start(plan)
        assert await failure_type(handle) == "DeliveryRefused"
        document = await harness.document(handle)
    head = sh(path, "git", "rev-parse", "HEAD") if kind == "git" else ""
    (command,) = document["delivery"]["finishWith"]
    sh(path, "bash", "-c", f"({command}) || true")
    assert (path / "a").read_text() == "user\n"
    assert (path / "a.rej").exists()
    assert (path / "b").read_text() == "2\n"
    assert kind == "directory" or sh(path, "git", "rev-parse", "HEAD") == head
