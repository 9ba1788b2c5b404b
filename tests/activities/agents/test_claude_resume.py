"""State of a `claude` agent over killed workers, questions and usage limits: conversation and tree."""

from __future__ import annotations

import json
import os
import random
import signal
from functools import partial
from pathlib import Path
from typing import Any

from tests.messages_api import Call, Turn
from tests.scripted import FINISH, Claude
from tests.support import eventually, make_repository, sh, status_of, tasks, until

CASES = json.loads((Path(__file__).parents[2] / "plans/cases.json").read_text())


def results(call: Call) -> list[dict[str, Any]]:
    blocks = [block for message in call.request["messages"] for block in message["content"]]
    return [block for block in blocks if block["type"] == "tool_result"]


def _has_called(claude: Claude, times: int) -> bool:
    return len(claude.api.calls) >= times


async def test_seven_tasks_survive_two_killed_workers_and_pay_no_answer_twice(
    idle_claude: Claude, tmp_path: Path
) -> None:
    claude, chance = idle_claude, random.Random(os.environ.get("EPW_SEED", "7"))
    path = make_repository(tmp_path / "work", {"app.py": "app = 1\n"})
    rows = CASES[0]["tasks"]
    scripts = {
        task["id"]: [
            Turn(
                f"Task {task['id']}.",
                [("Write", {"file_path": f"src/{task['id']}.py", "content": "x = 1\n"})],
                seconds=0.2,
            ),
            Turn(calls=[("Bash", {"command": f"sleep 0.2; echo y = 2 >> src/{task['id']}.py"})], seconds=0.2),
            Turn(calls=[("Read", {"file_path": f"src/{task['id']}.py"})], seconds=0.2),
            Turn(calls=[FINISH], seconds=0.2),
        ]
        for task in rows
    }
    claude.script(scripts)
    plan = {"workspace": str(path), "maxAgents": 3, "tasks": rows}
    handle = await claude.start(plan)
    in_flight = 0
    for _ in range(2):
        async with claude.worker() as worker:
            begun = len(claude.api.calls)
            wanted = chance.randint(3, 8)
            await eventually(partial(_has_called, claude, begun + wanted))
            progress = await handle.query("progress")
            in_flight += list(status_of(progress).values()).count("running")
            worker.send_signal(signal.SIGKILL)
            await worker.wait()
    async with claude.worker():
        document = await claude.end(handle, plan)
    assert document["status"] == "succeeded", document["results"]
    assert all(row["landed"] and row["attempts"] == 1 for row in document["results"])
    served = claude.api.served()
    assert set(served) == {(task["id"], turn) for task in rows for turn in range(4)}
    assert sum(served.values()) - len(served) <= in_flight
    branch = document["delivery"]["branch"]
    for task in rows:
        # A call that was interrupted is not silently repeated: the model was told, and the script went on.
        assert sh(path, "git", "show", f"{branch}:src/{task['id']}.py") in ("x = 1\ny = 2\n", "x = 1\n", "y = 2\n")
        last = [call for call in claude.api.calls if call.task == task["id"]][-1]
        assert len(last.request["messages"]) == 7
    used = [row["usage"] for row in document["results"]]
    assert sum(each["requests"] for each in used) == 28
    assert sum(each["inputTokens"] + each["outputTokens"] for each in used) == 28 * 120


async def test_an_interrupted_call_is_told_and_not_repeated(idle_claude: Claude, tmp_path: Path) -> None:
    claude = idle_claude
    claude.script({"a": [Turn(calls=[("Bash", {"command": f"echo ran >> {tmp_path}/ran; touch built.o; sleep 60"})])]})
    plan = {"tasks": tasks({"id": "a", "verify": "test -e built.o"})}
    handle = await claude.start(plan)
    async with claude.worker() as worker:
        await eventually((tmp_path / "ran").exists)
        worker.kill()
        await worker.wait()
    async with claude.worker():
        document = await claude.end(handle, plan)
    assert document["status"] == "succeeded", document["results"]
    assert (tmp_path / "ran").read_text() == "ran\n"
    (told,) = results(claude.api.calls[-1])
    assert told["is_error"]
    assert "Interrupted" in told["content"]


async def test_a_question_waits_without_slot_or_process_and_its_answer_is_in_the_next_request(
    idle_claude: Claude, tmp_path: Path
) -> None:
    claude = idle_claude
    write = ("Write", {"file_path": "notes", "content": "before\n"})
    ask = ("ask_coordinator", {"question": "Which database?", "options": ["postgres", "sqlite"]})
    claude.script({"a": [Turn(calls=[write, ask])]})
    plan = {"maxAgents": 1, "tasks": tasks({"id": "a", "verify": "test -s notes"}, {"id": "b"})}
    handle = await claude.start(plan)
    async with claude.worker():
        # The other task has the one slot meanwhile.
        await until(handle, lambda now: status_of(now) == {"a": "waiting", "b": "succeeded"})
        (asked,) = await handle.query("questions")
        assert (asked["text"], asked["options"]) == ("Which database?", ["postgres", "sqlite"])
    async with claude.worker():
        await handle.execute_update("answer", {"questionId": asked["id"], "text": "sqlite"})
        document = await claude.end(handle, plan)
    assert document["status"] == "succeeded", document["results"]
    calls = [call for call in claude.api.calls if call.task == "a"]
    assert len(calls) == 2
    assert results(calls[1])[-1]["content"] == "sqlite"


async def test_an_attempt_that_failed_goes_on_in_its_tree_and_is_told_why(claude: Claude, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work")
    claude.script(
        {
            "a": [
                Turn(calls=[("Write", {"file_path": "half", "content": "1\n"})]),
                Turn(calls=[FINISH]),
                Turn(calls=[("Bash", {"command": "cat half; echo 2 > other"})]),
            ]
        }
    )
    document = await claude.run({"workspace": str(path), "tasks": tasks({"id": "a", "verify": "test -e other"})})
    assert document["status"] == "succeeded", document["results"]
    assert document["results"][0]["attempts"] == 2
    assert document["results"][0]["filesModified"] == ["half", "other"]
    third = claude.api.calls[2].request["messages"]
    assert "VerifyFailed" in json.dumps(third[-1])
    assert document["results"][0]["usage"]["requests"] == 4
