"""Agents by models where things meet: questions and deaths, stops and trees, limits and waits, odd answers."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.activities.agents.test_claude_code import ASK, results
from tests.command_line import ROOT
from tests.messages_api import KEY, Turn
from tests.scripted import FINISH, MODEL_AGENTS, Claude
from tests.support import eventually, make_repository, sh, status_of, statuses, tasks, until

# By the way that Claude Code itself has to the API.
COUNT_WHAT_WAS_FOUND = """python3 - << 'END'
import json, os, urllib.request
body = json.dumps({"system": open("found").read()}).encode()
urllib.request.urlopen(os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages/count_tokens", body)
END"""
ASK_COORDINATOR = ("ask_coordinator", {"question": "Which database?", "options": []})


@MODEL_AGENTS
async def test_a_question_that_a_dead_worker_had_not_told_of_is_asked_all_the_same(
    idle_claude: Claude, tmp_path: Path, agent: str
) -> None:
    claude = idle_claude
    claude.script({"a": [Turn(calls=[ASK_COORDINATOR if agent == "claude" else ASK]), Turn("Done.")]})
    plan = {"agent": agent, "tasks": tasks({"id": "a"})}
    handle = await claude.start(plan)
    asked = [{"name": "run.ended", "mark": str(tmp_path / "mark"), "kill": ["worker"]}]
    environment = {**claude.site.cli.env, "EPW_FAILPOINT": json.dumps(asked)}
    argv = [sys.executable, str(ROOT / "worker.py")]
    dying = await asyncio.create_subprocess_exec(*argv, env=environment, stdout=asyncio.subprocess.DEVNULL)
    await asyncio.wait_for(dying.wait(), 60)
    async with claude.worker():
        await until(handle, lambda now: status_of(now)["a"] == "waiting", 60)
        (question,) = await handle.query("questions")
        assert question["text"] == "Which database?"
        await handle.execute_update("answer", {"questionId": question["id"], "text": "sqlite"})
        document = await claude.end(handle, plan)
    assert document["status"] == "succeeded"
    assert len(claude.api.calls) == 2
    assert "sqlite" in results(claude.api.calls[1])[-1]["content"]


async def test_who_takes_over_from_a_stopped_worker_finds_the_tree_of_the_conversation(
    idle_claude: Claude, tmp_path: Path
) -> None:
    claude = idle_claude
    wait = ("Bash", {"command": f"touch {tmp_path}/ran; sleep 60"})
    claude.script({"a": [Turn(calls=[("Write", {"file_path": "notes", "content": "n"}), wait])]})
    plan = {"tasks": tasks({"id": "a", "verify": "test -s notes"})}
    handle = await claude.start(plan)
    async with claude.worker() as worker:
        await eventually((tmp_path / "ran").exists)
        worker.terminate()
        await worker.wait()
    async with claude.worker():
        document = await claude.end(handle, plan)
    assert [(row["status"], row["attempts"]) for row in document["results"]] == [("succeeded", 1)]


async def test_two_questions_of_one_turn_are_asked_one_after_the_other(claude: Claude) -> None:
    other = json.loads(json.dumps(ASK[1]).replace("Which database?", "Which port?"))
    again = Turn(calls=[("AskUserQuestion", other)])
    claude.script({"a": [Turn(calls=[ASK, ("AskUserQuestion", other)]), again, Turn("Done.")]})
    plan = {"agent": "claude-code", "onQuestion": {"wait": False, "default": "x"}, "tasks": tasks({"id": "a"})}
    document = await claude.run(plan)
    assert document["status"] == "succeeded", document["results"]
    assert [asked["text"] for asked in document["questions"]] == ["Which database?", "Which port?"]
    assert len(claude.api.calls) == 3


@pytest.mark.parametrize("agent", ["claude", "claude-code"])
async def test_a_key_that_a_shell_digs_out_is_told_to_nobody(claude: Claude, agent: str) -> None:
    each = "tr '\\0' '\\n' < /proc/$p/environ; p=$(awk '{print $4}' /proc/$p/stat)"
    dig = f"p=$$; while [ $p -gt 1 ]; do {each}; done; true"
    last = Turn(f"Found {KEY}.") if agent == "claude-code" else Turn(calls=[("finish", {"summary": f"Found {KEY}."})])
    # Where it stands in no process: as if it had been found.
    found = f"printf %s-%s {KEY[:6]} {KEY[7:]} > found; cat found; base64 found; cat found >&2; exit 3"
    turns = [("Bash", {"command": dig}), ("Bash", {"command": found}), ("Read", {"file_path": "found"})]
    turns += [("Bash", {"command": COUNT_WHAT_WAS_FOUND})] if agent == "claude-code" else []
    turns += [("Grep", {"pattern": "canary"}), ("Bash", {"command": "rm found"})]
    claude.script({"a": [*(Turn(calls=[call]) for call in turns), last]})
    document = await claude.run({"agent": agent, "tasks": tasks({"id": "a"})})
    assert document["status"] == "succeeded"
    told = [json.dumps(call.request["messages"]) for call in claude.api.calls]
    assert "PATH=" in told[1]
    assert told[2].count("[ANTHROPIC_API_KEY]") - told[1].count("[ANTHROPIC_API_KEY]") >= 3
    assert told[3].count("[ANTHROPIC_API_KEY]") > told[2].count("[ANTHROPIC_API_KEY]")
    assert not any(KEY in json.dumps(call.request) for call in claude.api.calls)
    if agent == "claude-code":
        assert claude.api.counted[-1]["system"] == "[ANTHROPIC_API_KEY]"
    assert KEY not in json.dumps(document)
    # What a model says itself is its conversation, which stays where only its owner reads.
    elsewhere = f"grep -rlI {KEY} --exclude-dir=agents . || true"
    assert await asyncio.to_thread(sh, claude.home, "bash", "-c", elsewhere) == ""


async def test_names_that_are_no_text_do_not_spoil_the_conversation(claude: Claude, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work")
    Path(os.fsdecode(os.fsencode(path) + b"/caf\xe9.txt")).touch()
    claude.script({"a": [Turn(calls=[("Glob", {"pattern": "**/*"})]), Turn(calls=[FINISH])]})
    document = await claude.run({"workspace": str(path), "tasks": tasks({"id": "a"})})
    assert document["status"] == "succeeded", document["results"]


@pytest.mark.parametrize("command", ["echo a\0b", "echo " + "x" * 200_000], ids=["NUL", "200 KB"])
async def test_a_command_that_no_process_can_be_given_costs_no_attempt(claude: Claude, command: str) -> None:
    claude.script({"a": [Turn(calls=[("Bash", {"command": command})]), Turn(calls=[FINISH])]})
    document = await claude.run({"tasks": tasks({"id": "a"})})
    assert [(row["status"], row["attempts"]) for row in document["results"]] == [("succeeded", 1)]


async def test_waiting_for_a_slot_is_no_work_and_a_command_ends_with_the_attempts_time(claude: Claude) -> None:
    def script(task: str, turn: int, request: dict[str, Any]) -> Turn:
        if task == "sleeps":
            return Turn(calls=[("Bash", {"command": "sleep 600"})])
        return Turn(calls=[("report_progress", {"percent": turn}) if turn < 3 else FINISH])

    claude.script(script)
    limits = {
        "apiRateLimit": {"provider": "anthropic", "maxRequestsPerMinute": 120},
        "resourceLimits": {"maxDurationMs": 3000},
    }
    rows = tasks(*({"id": f"t{n}"} for n in range(3)), {"id": "sleeps"})
    document = await claude.run({"strategy": "aggressive", "maxAgents": 4, "constraints": limits, "tasks": rows})
    assert statuses(document) == {"t0": "succeeded", "t1": "succeeded", "t2": "succeeded", "sleeps": "failed"}
    assert document["results"][3]["error"]["type"] == "TimeLimit"
    assert sum(row["waitedMs"]["rateLimit"] for row in document["results"][:3]) > 3000


async def test_a_repository_that_an_agent_makes_stays_one_while_it_works(claude: Claude, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work")
    make = "git init -q lib && cd lib && echo 1 > f && git add . && git -c user.name=a -c user.email=a@b commit -qm v1"
    claude.script(
        {
            "a": [
                Turn(calls=[("Bash", {"command": make})]),
                Turn(calls=[("Bash", {"command": "cd lib && git log --oneline | grep v1"})]),
                Turn(calls=[FINISH]),
            ]
        }
    )
    document = await claude.run({"workspace": str(path), "tasks": tasks({"id": "a"})})
    assert not claude.results_told("a")[1].get("is_error"), claude.results_told("a")
    assert document["results"][0]["filesModified"] == ["lib/f"]


async def test_an_answer_that_is_cut_by_the_models_window_is_no_success(claude: Claude) -> None:
    paused = Turn("I was in", stop="pause_turn")
    claude.script({"full": [Turn("In the middle of", stop="model_context_window_exceeded")], "paused": [paused]})
    document = await claude.run({"tasks": tasks({"id": "full"}, {"id": "paused"})})
    assert [(row["status"], row["summary"]) for row in document["results"]] == [
        ("failed", None),
        ("succeeded", "paused is done"),
    ]
    assert document["results"][0]["error"]["type"] == "ContextWindow"


async def test_an_empty_answer_is_not_sent_back_empty(claude: Claude) -> None:
    claude.script({"a": [Turn(stop="end_turn"), Turn(calls=[FINISH])]})
    await claude.run({"tasks": tasks({"id": "a"})})
    assert all(message["content"] for message in claude.api.calls[1].request["messages"])
