"""The `claude-code` agent: the real Claude Code, against a scripted server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.messages_api import KEY, Call, Fault, Turn
from tests.scripted import Claude
from tests.support import eventually, make_repository, sh, status_of, tasks, until

ASK = (
    "AskUserQuestion",
    {
        "questions": [
            {
                "question": "Which database?",
                "header": "Database",
                "options": [{"label": "postgres", "description": "a"}, {"label": "sqlite", "description": "b"}],
                "multiSelect": False,
            }
        ]
    },
)


def results(call: Call) -> list[dict[str, Any]]:
    content = [message["content"] for message in call.request["messages"]]
    return [block for each in content if isinstance(each, list) for block in each if block["type"] == "tool_result"]


def _programs(home: Path) -> list[int]:
    """Processes of Claude Code that run for this test."""
    found = []
    for each in psutil.process_iter(["pid", "cmdline"]):
        with contextlib.suppress(psutil.Error):
            if "_bundled/claude" in " ".join(each.info["cmdline"] or ()) and str(home) in each.environ().get(
                "HOME", ""
            ):
                found.append(each.info["pid"])
    return found


async def test_two_tasks_and_a_question_that_is_answered_after_a_restart(idle_claude: Claude, tmp_path: Path) -> None:
    claude = idle_claude
    path = make_repository(tmp_path / "work", {"app.py": "def greet():\n    return 'hi'\n"})
    edit = {"file_path": "app.py", "old_string": "'hi'", "new_string": "'hello'"}
    claude.script(
        {
            "a": [
                Turn("I look first.", [("Read", {"file_path": "app.py"})]),
                Turn(calls=[("Edit", edit)]),
                Turn(calls=[ASK]),
                Turn(calls=[("Bash", {"command": "env; cat /proc/self/environ /proc/$PPID/environ; echo x > new"})]),
                Turn("It greets politely."),
            ],
            "b": [Turn(calls=[("Write", {"file_path": "test_app.py", "content": "assert True\n"})]), Turn("Tested.")],
        }
    )
    rows = tasks({"id": "a"}, {"id": "b", "dependsOn": ["a"]})
    plan = {"workspace": str(path), "agent": "claude-code", "maxAgents": 1, "tasks": rows}
    handle = await claude.start(plan)
    async with claude.worker():
        progress = await until(handle, lambda now: status_of(now)["a"] == "waiting", 60)
        assert progress["tasks"][0]["waitingFor"] == "question"
        (asked,) = await handle.query("questions")
        assert (asked["text"], asked["options"]) == ("Which database?", ["postgres", "sqlite"])
        assert len(claude.api.calls) == 3
        assert await asyncio.to_thread(_programs, claude.home) == []
    async with claude.worker():
        await handle.execute_update("answer", {"questionId": asked["id"], "text": "sqlite"})
        document = await claude.end(handle, plan)
    assert document["status"] == "succeeded", document["results"]
    branch = document["delivery"]["branch"]
    assert sh(path, "git", "show", f"{branch}:app.py") == "def greet():\n    return 'hello'\n"
    assert sh(path, "git", "show", f"{branch}:test_app.py") == "assert True\n"
    assert [row["filesModified"] for row in document["results"]] == [["app.py", "new"], ["test_app.py"]]
    assert [row["summary"] for row in document["results"]] == ["It greets politely.", "Tested."]
    fourth, fifth = claude.api.calls[3:5]
    assert "sqlite" in results(fourth)[-1]["content"]
    assert "interrupted" not in json.dumps(fourth.request["messages"][-2:])
    seen = results(fifth)[-1]["content"]
    assert "EPW_TASK_ID=a" in seen
    assert KEY not in seen
    assert KEY in json.dumps(fourth.headers)
    about = json.dumps(next(call.request["messages"][0] for call in claude.api.calls if call.task == "b"))
    assert "It greets politely." in about
    assert await asyncio.to_thread(sh, claude.home, "bash", "-c", f"grep -rl {KEY} . || true") == ""
    usage = [row["usage"] for row in document["results"]]
    tokens = claude.api.tokens()
    assert (sum(each["inputTokens"] for each in usage), sum(each["outputTokens"] for each in usage)) == tokens
    assert [each["requests"] for each in usage] == [5, 2]


async def test_a_killed_worker_costs_at_most_the_call_in_flight(idle_claude: Claude, tmp_path: Path) -> None:
    claude = idle_claude
    command = f"echo ran >> {tmp_path}/ran; echo kept > kept; sleep 60"
    claude.script(
        {"a": [Turn("First."), Turn("Not this one.")]} | {"a": [Turn(calls=[("Bash", {"command": command})])]}
    )
    plan = {"agent": "claude-code", "tasks": tasks({"id": "a", "verify": "test -s kept"})}
    claude.script(
        lambda task, turn, request: Turn(calls=[("Bash", {"command": command})]) if turn == 0 else Turn("Done.")
    )
    handle = await claude.start(plan)
    async with claude.worker() as worker:
        await eventually((tmp_path / "ran").exists)
        worker.send_signal(signal.SIGKILL)
        await worker.wait()
    async with claude.worker():
        document = await claude.end(handle, plan)
    assert document["status"] == "succeeded", document["results"]
    assert (tmp_path / "ran").read_text() == "ran\n"
    assert len(claude.api.calls) == 2
    assert "interrupted" in json.dumps(claude.api.calls[1].request["messages"][-2:]).lower()


async def test_a_question_beside_other_calls_reaches_a_person(claude: Claude) -> None:
    claude.script({"a": [Turn(calls=[("Write", {"file_path": "x", "content": "x"}), ASK]), Turn("Done.")]})
    plan = {"agent": "claude-code", "onQuestion": {"wait": False, "default": "sqlite"}, "tasks": tasks({"id": "a"})}
    document = await claude.run(plan)
    assert document["status"] == "succeeded", document["results"]
    assert [each["answer"] for each in document["questions"]] == ["sqlite"]
    assert "sqlite" in json.dumps(results(claude.api.calls[-1]))


async def test_its_tools_stay_in_the_directory(claude: Claude, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("SECRET\n")
    turns = [
        Turn(calls=[("Read", {"file_path": str(tmp_path / "secret")})]),
        Turn(calls=[("Write", {"file_path": "../out", "content": "x"})]),
    ]
    claude.script({"a": [*turns, Turn("Done.")]})
    await claude.run({"agent": "claude-code", "tasks": tasks({"id": "a"})})
    told = results(claude.api.calls[-1])
    assert all(each["is_error"] and "outside" in each["content"] for each in told), told


async def test_the_limits_of_the_account_are_those_of_every_agent(claude: Claude) -> None:
    faults = [Fault(429, "rate_limit_error", headers={"retry-after": "1"}), Fault(500), Turn("x", cut_after=3)]
    claude.script(lambda task, turn, request: faults.pop(0) if faults else Turn("Done."))
    document = await claude.run({"agent": "claude-code", "tasks": tasks({"id": "a"})})
    assert document["status"] == "succeeded", document["results"]
    assert document["results"][0]["attempts"] == 1
    assert not faults


async def test_exhausted_credit_ends_it_by_name(claude: Claude) -> None:
    claude.script(lambda *_: Fault(400, "invalid_request_error", "Your credit balance is too low"))
    document = await claude.run({"agent": "claude-code", "tasks": tasks({"id": "a"})})
    assert document["results"][0]["error"]["type"] == "SpendLimit"
    assert len(claude.api.calls) == 1


@pytest.mark.parametrize(
    "call",
    [
        ("Bash", {"command": "true"}),
        ("Fly", {"to": "x"}),
        pytest.param(("Bash", {"line": 3}), marks=pytest.mark.slow),
    ],
)
async def test_a_session_that_goes_round_in_circles_is_stopped(
    claude: Claude, call: tuple[str, dict[str, Any]]
) -> None:
    claude.script(lambda task, turn, request: Turn(calls=[call]))
    document = await claude.run({"agent": "claude-code", "tasks": tasks({"id": "a"})})
    assert document["results"][0]["error"]["type"] == "RepeatedCall"
    assert len(claude.api.calls) <= 7


async def test_cancelling_ends_the_session_with_all_that_it_started(claude: Claude, tmp_path: Path) -> None:
    command = f"setsid sleep 1000 & echo $! > {tmp_path}/pid; sleep 1000"
    claude.script({"a": [Turn(calls=[("Bash", {"command": command})])]})
    handle = await claude.start({"agent": "claude-code", "tasks": tasks({"id": "a"})})
    await eventually((tmp_path / "pid").exists)
    await handle.cancel()
    document = await claude.end(handle, {"agent": "claude-code", "tasks": tasks({"id": "a"})})
    assert document["status"] == "cancelled"
    assert not os.path.exists(f"/proc/{(tmp_path / 'pid').read_text().strip()}")
