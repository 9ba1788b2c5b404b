"""The `claude` agent over real HTTP, against a scripted server."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.command_line import Cli
from tests.messages_api import KEY, Fault, Turn
from tests.scripted import FINISH, Claude
from tests.support import eventually, make_repository, sh, tasks


async def test_two_tasks_edit_a_repository_and_the_second_knows_what_the_first_did(
    claude: Claude, tmp_path: Path
) -> None:
    path = make_repository(tmp_path / "work", {"app.py": "def greet():\n    return 'hi'\n"})
    claude.script(
        {
            "a": [
                Turn("I look first.", [("Read", {"file_path": "app.py"})]),
                Turn(calls=[("Edit", {"file_path": "app.py", "old_string": "'hi'", "new_string": "'hello'"})]),
                Turn(calls=[("Bash", {"command": "mkdir doc && echo text > doc/new.md && ls doc"})]),
                Turn(calls=[("finish", {"summary": "greets politely"})]),
            ],
            "b": [
                Turn(calls=[("Grep", {"pattern": "hel+o"}), ("Glob", {"pattern": "**/*.md"})]),
                Turn(calls=[("Write", {"file_path": "tests/test_app.py", "content": "assert True\n"})]),
                Turn("Done: tests are there.", stop="end_turn"),
            ],
        }
    )
    rows = tasks({"id": "a"}, {"id": "b", "dependsOn": ["a"], "context": {"framework": "pytest"}})
    document = await claude.run({"workspace": str(path), "tasks": rows})
    assert document["status"] == "succeeded", document["results"]
    branch = document["delivery"]["branch"]
    assert sh(path, "git", "show", f"{branch}:app.py") == "def greet():\n    return 'hello'\n"
    assert sh(path, "git", "show", f"{branch}:doc/new.md") == "text\n"
    assert sh(path, "git", "show", f"{branch}:tests/test_app.py") == "assert True\n"
    told = {result["tool_use_id"]: result["content"] for result in claude.results_told("b")}
    assert any("app.py:2:" in text for text in told.values())
    assert any(text == "doc/new.md" for text in told.values())
    first = claude.api.calls[0].request
    assert first["stream"] is True
    assert first["model"] == "claude-sonnet-5-5"
    assert {tool["name"] for tool in first["tools"]} >= {"Read", "Write", "Edit", "Bash", "Glob", "Grep", "finish"}
    about = json.dumps(next(call.request["messages"][0] for call in claude.api.calls if call.task == "b"))
    assert "greets politely" in about
    assert "app.py, doc/new.md" in about
    assert "pytest" in about
    usage = [row["usage"] for row in document["results"]]
    tokens = claude.api.tokens()
    assert (sum(each["inputTokens"] for each in usage), sum(each["outputTokens"] for each in usage)) == tokens
    assert sum(each["costUSD"] for each in usage) == pytest.approx((tokens[0] * 2 + tokens[1] * 10) / 1e6)
    assert [each["requests"] for each in usage] == [4, 3]
    assert [row["summary"] for row in document["results"]] == ["greets politely", "Done: tests are there."]


BROKEN = {
    "bad JSON": Turn(calls=[("Write", {"file_path": "x"})], raw_input='{"file_path": "x", "content": '),
    "an array for an object": Turn(calls=[("Write", {})], raw_input="[1, 2]"),
    "wrong types": Turn(calls=[("Bash", {"command": 3})]),
    "a missing field": Turn(calls=[("Write", {"file_path": "x"})]),
    "an unknown tool": Turn(calls=[("Fly", {"to": "x"})]),
    "cut by max_tokens": Turn("I am in the middle of", [("Write", {})], stop="max_tokens", raw_input='{"file_'),
    "empty": Turn(stop="end_turn"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_answer_is_told_three_times_and_fails_its_task_only(claude: Claude, name: str) -> None:
    claude.script(lambda task, turn, request: BROKEN[name] if task == "bad" else Turn(calls=[FINISH]))
    document = await claude.run({"tasks": tasks({"id": "bad"}, {"id": "good"})})
    rows = {row["taskId"]: row for row in document["results"]}
    assert rows["good"]["status"] == "succeeded"
    assert rows["bad"]["error"]["type"] == "InvalidResponse"
    assert len([call for call in claude.api.calls if call.task == "bad"]) == 4


async def test_a_model_that_is_told_does_better(claude: Claude, tmp_path: Path) -> None:
    turns = [BROKEN["bad JSON"], BROKEN["empty"], Turn(calls=[("Write", {"file_path": "x", "content": "ok"})])]
    claude.script({"a": turns})
    document = await claude.run({"tasks": tasks({"id": "a", "verify": "test -s x"})})
    assert document["status"] == "succeeded"
    assert "no JSON object" in claude.results_told("a")[0]["content"]


async def test_a_refusal_fails_the_task_by_name(claude: Claude) -> None:
    claude.script({"a": [Turn("I cannot do that.", stop="refusal")]})
    document = await claude.run({"tasks": tasks({"id": "a"})})
    assert document["results"][0]["error"]["type"] == "Refusal"
    assert len(claude.api.calls) == 1


async def test_what_a_stopped_agent_has_used_is_in_its_result(claude: Claude, tmp_path: Path) -> None:
    """Cancelled, or ended by a limit: paid for all the same."""
    begun = tmp_path / "begun"
    hog = "python3 -c 'x = bytearray(b\"x\") * (400 << 20); import time; time.sleep(60)'"
    claude.script(
        {
            "a": [Turn(calls=[("Bash", {"command": f"echo 1 > x; touch {begun}; sleep 100"})])],
            "b": [Turn(calls=[("Bash", {"command": hog})])] * 5,
        }
    )
    wait = f"until test -e {begun}; do sleep 0.1; done; exit 1"
    cancelled = await claude.run(
        {"strategy": "conservative", "tasks": tasks({"id": "a"}, {"id": "c", "agent": "command", "run": wait})}
    )
    limits = {"maxMemoryMB": 200}
    ended = await claude.run(
        {"strategy": "conservative", "tasks": tasks({"id": "b", "constraints": {"resourceLimits": limits}})}
    )
    rows = [cancelled["results"][0], ended["results"][0]]
    assert [row["status"] for row in rows] == ["cancelled", "failed"]
    assert [row["error"]["type"] for row in rows] == ["Cancelled", "MemoryLimit"]
    assert rows[0]["usage"]["requests"] == 1
    # An answer that is cut off is not counted.
    assert 1 <= rows[1]["usage"]["requests"] <= len([call for call in claude.api.calls if call.task == "b"])
    assert [row["usage"]["inputTokens"] for row in rows] == [100 * row["usage"]["requests"] for row in rows]
    assert cancelled["results"][0]["duration"] > 0


async def test_the_same_call_again_and_again_is_stopped(claude: Claude) -> None:
    claude.script(lambda task, turn, request: Turn(calls=[("Bash", {"command": "true"})]))
    document = await claude.run({"tasks": tasks({"id": "a"})})
    assert document["results"][0]["error"]["type"] == "RepeatedCall"


@pytest.mark.parametrize("path", ["../out", "/etc/passwd", "link/x", "a/../../out"])
async def test_the_file_tools_stay_in_the_directory(claude: Claude, tmp_path: Path, path: str) -> None:
    make = Turn(calls=[("Bash", {"command": "ln -s /tmp link"})])
    claude.script(
        {"a": [make, Turn(calls=[("Read", {"file_path": path}), ("Write", {"file_path": path, "content": ""})])]}
    )
    await claude.run({"tasks": tasks({"id": "a"})})
    refused = claude.results_told("a")[1:3]
    assert all(result.get("is_error") for result in refused)
    assert all("outside" in result["content"] for result in refused)


async def test_tools_limits_what_there_is(claude: Claude) -> None:
    claude.script({"a": [Turn(calls=[("Bash", {"command": "true"})])]})
    await claude.run({"tasks": tasks({"id": "a", "tools": ["Read"]})})
    offered = {tool["name"] for tool in claude.api.calls[0].request["tools"]}
    assert offered == {"Read", "ask_coordinator", "report_progress", "finish"}
    assert claude.results_told("a")[0]["is_error"]


async def test_a_command_ends_with_everything_it_started(claude: Claude, tmp_path: Path) -> None:
    endless = "setsid sleep 1000 & echo $!; sleep 1000"
    claude.script(
        {
            "a": [
                Turn(calls=[("Bash", {"command": endless, "timeout_ms": 700})]),
                Turn(calls=[("Bash", {"command": "echo out; echo err >&2; exit 3"})]),
                Turn(calls=[("Bash", {"command": "head -c 1000000 /dev/zero | tr '\\0' x"})]),
            ]
        }
    )
    await claude.run({"tasks": tasks({"id": "a"})})
    timed_out, failed, long = claude.results_told("a")[:3]
    assert "took too long" in timed_out["content"]
    assert not Path(f"/proc/{timed_out['content'].split()[0]}").exists()
    assert failed["is_error"]
    assert failed["content"].split() == ["out", "err", "[ended", "with", "3]"]
    assert len(long["content"]) < 70_000


@pytest.mark.parametrize("events", [pytest.param(n, marks=[pytest.mark.slow] if n % 2 else []) for n in range(1, 9)])
async def test_a_stream_that_is_cut_is_asked_again_and_half_a_call_is_none(
    claude: Claude, tmp_path: Path, events: int
) -> None:
    write = [("Bash", {"command": f"echo ran >> {tmp_path}/ran"})]
    cut = {(0): Turn("Now.", write, cut_after=events)}

    def script(task: str, turn: int, request: dict[str, Any]) -> Turn:
        return cut.pop(turn, None) or (Turn("Now.", write) if turn == 0 else Turn(calls=[FINISH]))

    claude.script(script)
    document = await claude.run({"tasks": tasks({"id": "a"})})
    assert document["status"] == "succeeded", document["results"]
    assert (tmp_path / "ran").read_text() == "ran\n"
    assert not cut


FAULTS = {
    "500": Fault(500),
    "529": Fault(529, "overloaded_error"),
    "429 without retry-after": Fault(429, "rate_limit_error"),
    "429 with retry-after": Fault(429, "rate_limit_error", headers={"retry-after": "1"}),
    "a body that is no JSON": Fault(500, body="<html>bad gateway</html>"),
    "a malformed answer": Fault(200, body="{}"),
    "an error event": Turn("x", error_event={"type": "error", "error": {"type": "overloaded_error", "message": "o"}}),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_passing_fault_costs_nothing_but_time(claude: Claude, name: str) -> None:
    faults = [FAULTS[name]]
    claude.script(lambda task, turn, request: faults.pop() if faults else Turn(calls=[FINISH]))
    document = await claude.run({"tasks": tasks({"id": "a"})})
    assert document["status"] == "succeeded", document["results"]
    assert document["results"][0]["attempts"] == 1
    assert not faults


@pytest.mark.parametrize("turns", [20, pytest.param(200, marks=pytest.mark.slow)])
async def test_many_turns_leave_no_more_history_than_one(claude: Claude, tmp_path: Path, turns: int) -> None:
    path = make_repository(tmp_path / "work")

    def script(task: str, turn: int, request: dict[str, Any]) -> Turn:
        if task == "short" or turn == turns:
            return Turn(calls=[FINISH])
        return Turn("word " * 200, [("Write", {"file_path": f"file{turn % 20}", "content": f"{turn}\n" * 50})])

    claude.script(script)
    plan = {"workspace": str(path), "agent": "claude", "tasks": tasks({"id": "long"}, {"id": "short"})}
    handle = await claude.start(plan)
    document = await claude.end(handle, plan)
    assert document["status"] == "succeeded", document["results"]
    assert [row["usage"]["requests"] for row in document["results"]] == [turns + 1, 1]
    history = await handle.fetch_history()
    assert len(history.events) <= 60 + 12 * 2
    assert sum(event.ByteSize() for event in history.events) <= 2 * len(json.dumps(plan)) + 60 * 500 + 4096 * 2


async def test_exhausted_credit_fails_readably_and_no_further_call_is_made(claude: Claude) -> None:
    claude.script(lambda *_: Fault(400, "invalid_request_error", "Your credit balance is too low"))
    rows = tasks(*({"id": f"t{n}"} for n in range(4)))
    document = await claude.run({"maxAgents": 1, "tasks": rows})
    assert {row["error"]["type"] for row in document["results"]} == {"SpendLimit"}
    assert "credit balance" in document["results"][3]["error"]["message"]
    assert len(claude.api.calls) == 1


async def test_the_key_is_nowhere(claude: Claude, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work")
    claude.script({"a": [Turn(calls=[("Bash", {"command": "env; echo in $PWD > note"})])]})
    document = await claude.run({"workspace": str(path), "tasks": tasks({"id": "a"})})
    assert KEY not in json.dumps(document)
    assert not any(KEY in json.dumps(call.request) for call in claude.api.calls)
    found = await asyncio.to_thread(sh, claude.home, "bash", "-c", f"grep -rl {KEY} . || true")
    assert found == ""


SAID = {
    "a refusal": Turn(f"I do not say {KEY}", stop="refusal"),
    "a question": Turn(calls=[("ask_coordinator", {"question": f"{KEY}?", "options": [f"use {KEY}", "no"]})]),
    "progress": Turn(calls=[("report_progress", {"percent": 5, "operation": f"with {KEY}", "files": [f"{KEY}.txt"]})]),
    "calls": Turn(calls=[("Bash", {"command": f"echo {KEY}"})]),
    "a summary": Turn(calls=[("finish", {"summary": f"with {KEY}"})]),
}


@pytest.mark.parametrize("name", SAID)
async def test_what_a_model_says_of_a_secret_is_neither_stored_nor_shown(claude: Claude, name: str) -> None:
    claude.script(lambda task, turn, request: SAID[name] if turn < 8 else Turn(calls=[FINISH]))
    document = await claude.run({"onQuestion": {"wait": False}, "tasks": tasks({"id": "a"})})
    assert KEY not in json.dumps(document)
    told = [block for call in claude.api.calls for message in call.request["messages"] for block in message["content"]]
    assert not any(KEY in json.dumps(block) for block in told if block["type"] == "tool_result")
    # Its own words are its conversation, which stays where only its owner reads.
    elsewhere = f"grep -rl {KEY} --exclude-dir=agents . || true"
    assert await asyncio.to_thread(sh, claude.home, "bash", "-c", elsewhere) == ""


async def test_without_a_key_it_is_said_before_anything_ran(
    claude: Claude, temporal_binary: str, tmp_path: Path
) -> None:
    cli = Cli(tmp_path / "home", temporal_binary)
    plan = cli.plan({"agent": "claude", "tasks": tasks({"id": "a"})})
    done = await asyncio.to_thread(cli, "run", plan, code=3)
    assert "ANTHROPIC_API_KEY" in done.stderr


async def test_a_message_of_a_person_is_the_next_thing_the_model_reads(claude: Claude, tmp_path: Path) -> None:
    go = tmp_path / "go"
    wait = f"touch {tmp_path}/here; until [ -e {go} ]; do sleep 0.05; done"
    claude.script({"a": [Turn(calls=[("Bash", {"command": wait})]), Turn(calls=[FINISH])]})
    plan = {"tasks": tasks({"id": "a"})}
    handle = await claude.start(plan)
    await eventually((tmp_path / "here").exists)
    answer = await handle.execute_update("message", {"taskId": "a", "text": "leave the tests alone", "by": "ada"})
    assert answer["outcome"] == "it is handed to its agent"

    async def told() -> list[str]:
        return [each["outcome"] for each in (await handle.query("results"))["steering"]]

    async with asyncio.timeout(30):
        while await told() == ["it is handed to its agent"]:  # noqa: ASYNC110 (an activity of the worker brings it)
            await asyncio.sleep(0.05)
    go.touch()
    document = await claude.end(handle, plan)
    last = claude.api.calls[-1].request["messages"][-1]
    assert last["role"] == "user"
    assert [block["type"] for block in last["content"]] == ["tool_result", "text"]
    assert "leave the tests alone" in last["content"][1]["text"]
    assert [each["outcome"] for each in document["steering"]] == ["its agent has got it"]


async def test_a_model_proposes_a_task_that_joins_the_plan(claude: Claude) -> None:
    more = {"id": "b", "description": "what is left", "dependsOn": ["a"]}
    finish = ("finish", {"summary": "half of it", "propose": [more]})
    claude.script({"a": [Turn(calls=[finish])], "b": [Turn(calls=[FINISH])]})
    document = await claude.run({"tasks": tasks({"id": "a"}), "onProposal": "take"})
    assert [(row["taskId"], row["status"]) for row in document["results"]] == [("a", "succeeded"), ("b", "succeeded")]
    assert document["steering"][0]["by"] == "agent:a"
