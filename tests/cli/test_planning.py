"""`plan GOAL`: a plan that the model writes and the plan's own validator judges."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import forked
from tests.command_line import Cli
from tests.messages_api import Fault, Turn
from tests.scripted import Claude
from tests.support import make_repository, sh

Task = dict[str, Any]


def task(identifier: str, *after: str) -> Task:
    return {"id": identifier, "description": f"write {identifier}.txt", "dependsOn": list(after)} | {
        "estimatedMinutes": 5,
        "files": [f"{identifier}.txt"],
    }


def planned(*rows: Task) -> Turn:
    return Turn(json.dumps({"name": "Two files", "verify": None, "tasks": rows}))


CYCLE = planned(task("a", "b"), task("b", "a"))
GOOD = planned(task("a"), task("b", "a"))


async def plan(claude: Claude, *arguments: str, code: int = 0) -> tuple[str, str]:
    done = await asyncio.to_thread(claude.site.cli, "plan", *arguments, code=code)
    return done.stdout, done.stderr


async def test_a_plan_is_corrected_until_it_is_valid_and_shown_with_its_analysis(
    idle_claude: Claude, tmp_path: Path
) -> None:
    claude, answers = idle_claude, [Fault(529, "overloaded_error"), Turn("no JSON"), CYCLE, GOOD]
    path = make_repository(tmp_path / "work", {"src/app.py": "x = 1\n"})
    claude.script(lambda *_: answers.pop(0))
    out, err = await plan(claude, "Write two files", "--workspace", str(path), "--json")
    found = json.loads(out)
    assert [row["id"] for row in found["plan"]["tasks"]] == ["a", "b"]
    assert found["plan"]["workspace"] == str(path)
    assert found["analysis"]["criticalPath"] == ["a", "b"]
    assert "Circular dependency: a → b → a" in err
    last = claude.api.calls[-1].request
    assert "src/app.py" in last["messages"][0]["content"]
    assert "Circular dependency" in last["messages"][-1]["content"]
    assert last["output_config"]["format"]["type"] == "json_schema"


async def test_what_cannot_be_corrected_is_refused_after_three_times(idle_claude: Claude) -> None:
    claude = idle_claude
    claude.script(lambda *_: CYCLE)
    _, err = await plan(claude, "Go round", code=2)
    assert "after 3 corrections" in err
    assert len(claude.api.calls) == 4


async def test_it_runs_only_when_the_user_says_so(idle_claude: Claude, tmp_path: Path) -> None:
    claude = idle_claude
    path = make_repository(tmp_path / "work")
    write = [("Bash", {"command": "echo $EPW_TASK_ID > $EPW_TASK_ID.txt"})]

    def script(name: str, turn: int, request: dict[str, Any]) -> Turn:
        if not name:
            return GOOD
        return Turn(calls=write) if turn == 0 else Turn(calls=[("finish", {"summary": "written"})])

    claude.script(script)
    arguments = ("Write two files", "--workspace", str(path), "--output", str(tmp_path / "plan.yaml"))
    out, _ = await plan(claude, *arguments)
    assert "name: Two files" in out
    assert "one after another" in out
    assert "not run" in out
    assert [call.task for call in claude.api.calls] == [""]
    assert "tasks:" in (tmp_path / "plan.yaml").read_text()
    out, _ = await plan(claude, *arguments, "--yes", "--json")
    document = json.loads(out)
    assert document["status"] == "succeeded", document
    assert sh(path, "git", "show", f"{document['delivery']['branch']}:b.txt") == "b\n"


def answered(cli: Cli, text: str, *arguments: str) -> str:
    """Output of `plan` at a terminal whose user answers."""
    ours, theirs = os.openpty()
    argv = [*forked.program(), "plan", *arguments]
    try:
        process = subprocess.Popen(
            argv, env=cli.env, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        os.write(ours, text.encode())
        out, err = process.communicate(timeout=90)
    finally:
        for each in (ours, theirs):
            os.close(each)
    assert process.returncode == 0, out + err
    return out


@pytest.mark.parametrize(("text", "runs"), [("n\n", False), ("y\n", True)])
async def test_a_user_at_a_terminal_is_asked_and_decides(
    idle_claude: Claude, tmp_path: Path, text: str, runs: bool
) -> None:
    claude, cli = idle_claude, idle_claude.site.cli
    claude.script(lambda name, *_: Turn(calls=[("finish", {"summary": "written"})]) if name else GOOD)
    before = await asyncio.to_thread(cli.json, "list")
    out = await asyncio.to_thread(answered, cli, text, "Write", "--workspace", str(make_repository(tmp_path / "work")))
    assert "Run it? [y/N]" in out
    assert ("not run" in out) != runs
    assert len(await asyncio.to_thread(cli.json, "list")) == len(before) + runs
    assert {call.task for call in claude.api.calls} == ({"", "a", "b"} if runs else {""})


async def test_a_goal_needs_a_key_and_words(idle_claude: Claude) -> None:
    _, err = await plan(idle_claude, "  ", code=2)
    assert "goal is empty" in err
