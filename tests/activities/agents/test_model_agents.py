"""Claims of docs/agents.md about both agents by models: ends, progress, instructions."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.activities.agents.test_claude_code import results
from tests.command_line import line_with, stop
from tests.messages_api import Fault, Turn
from tests.scripted import FINISH, MODEL_AGENTS, Claude
from tests.site import Site
from tests.support import make_repository, tasks

REFUSED = [
    Fault(400, "invalid_request_error", "no such thing"),
    Fault(403, "permission_error"),
    Fault(404, "not_found"),
]
LOGIN = Fault(401, "authentication_error")


async def test_claude_code_reads_the_project_s_claude_md_and_nobody_s_settings(
    idle_claude: Claude, tmp_path: Path
) -> None:
    """Also where its home is the user's, at sandbox `none`."""
    ran, home = tmp_path / "ran", tmp_path / "user"
    hook = {"hooks": [{"type": "command", "command": f"echo hook >> {ran}"}]}
    events = ("SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "Stop")
    settings = json.dumps(
        {
            "hooks": {event: [hook] for event in events},
            "env": {"FROM_SETTINGS": "set"},
            "apiKeyHelper": f"echo helper >> {ran}",
            "statusLine": {"type": "command", "command": f"echo line >> {ran}"},
            "permissions": {"deny": ["Bash"]},
            "outputStyle": "canary-style",
            "enableAllProjectMcpServers": True,
        }
    )
    server = json.dumps({"mcpServers": {"own": {"command": "sh", "args": ["-c", f"echo server >> {ran}"]}}})
    planted = {
        "CLAUDE.md": "canary-instruction\n",
        ".claude/settings.json": settings,
        ".claude/settings.local.json": settings,
        ".claude/agents/own.md": "---\nname: own\ndescription: canary-agent\n---\nx\n",
        ".claude/commands/own.md": "canary-command\n",
        ".mcp.json": server,
    }
    path = make_repository(tmp_path / "work", planted)
    for name, text in {
        ".claude/settings.json": settings,
        ".claude/CLAUDE.md": "canary-user",
        ".claude.json": server,
    }.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    cli = idle_claude.site.cli
    site = Site(replace(cli, environment={**cli.environment, "HOME": str(home)}), tmp_path, idle_claude.site.connection)
    claude = Claude(site, idle_claude.api)
    look = {"command": "echo settings:$FROM_SETTINGS; echo x > new"}
    claude.script({"a": [Turn(calls=[("Bash", look)]), Turn("Done.")]})
    plan = {"workspace": str(path), "agent": "claude-code", "sandbox": "none", "tasks": tasks({"id": "a"})}
    async with claude.worker():
        document = await claude.run(plan)
    assert document["results"][0]["filesModified"] == ["new"], document["results"]
    assert not ran.exists(), ran.read_text()
    assert results(claude.api.calls[-1])[-1]["content"].strip() == "settings:"
    asked = json.dumps([call.request for call in claude.api.calls])
    assert "canary-instruction" in asked
    for other in ("canary-user", "canary-style", "canary-agent", "canary-command", "mcp__own"):
        assert other not in asked, other


@MODEL_AGENTS
@pytest.mark.parametrize("fault", [*REFUSED, LOGIN], ids=lambda fault: str(fault.status))
async def test_an_api_that_says_no_fails_the_task_as_that(claude: Claude, agent: str, fault: Fault) -> None:
    claude.script(lambda *_: fault)
    document = await claude.run({"agent": agent, "tasks": tasks({"id": "a"})})
    (row,) = document["results"]
    assert (row["error"]["type"], row["attempts"]) == ("ApiError", 1), row["error"]
    # Claude Code looks for a way round what it can act on.
    assert len(claude.api.calls) == 1 or (agent == "claude-code" and fault.status in (400, 404))


@MODEL_AGENTS
async def test_more_than_ten_failures_in_a_row_fail_the_task_and_ten_do_not(claude: Claude, agent: str) -> None:
    down = Fault(500, headers={"retry-after": "0.01"})
    claude.script(lambda *_: down)
    plan = {"agent": agent, "strategy": "conservative", "tasks": tasks({"id": "a"})}
    document = await claude.run(plan)
    row = document["results"][0]
    assert (row["error"]["type"], row["attempts"]) == ("ApiUnavailable", 2)
    assert len(claude.api.calls) == 2 * 11
    faults = [down] * 10
    done = Turn("Done.") if agent == "claude-code" else Turn(calls=[FINISH])
    claude.script(lambda *_: faults.pop() if faults else done)
    document = await claude.run(plan)
    assert [(row["status"], row["attempts"]) for row in document["results"]] == [("succeeded", 1)]
    assert len(claude.api.calls) == 11


@pytest.mark.slow
@MODEL_AGENTS
async def test_five_hundred_turns_are_the_most(claude: Claude, agent: str) -> None:
    claude.script(lambda task, turn, request: Turn(calls=[("Bash", {"command": f"echo {turn}"})]))
    plan = {"agent": agent, "tasks": tasks({"id": "a"})}
    document = await claude.end(await claude.start(plan), plan, seconds=600)
    assert document["results"][0]["error"]["type"] == "TurnLimit"
    assert len(claude.api.calls) == 500


@MODEL_AGENTS
async def test_it_refuses_and_the_task_fails_as_that(claude: Claude, agent: str) -> None:
    claude.script(lambda *_: Turn("I cannot do that.", stop="refusal"))
    document = await claude.run({"agent": agent, "tasks": tasks({"id": "a"})})
    assert document["results"][0]["error"]["type"] == "Refusal"


async def test_progress_that_a_model_reports_is_seen_in_watch_and_status(claude: Claude, tmp_path: Path) -> None:
    go = tmp_path / "go"
    report = {"percent": 42, "operation": "polishing", "files": ["x.py"], "minutes_left": 3}
    wait = ("Bash", {"command": f"while [ ! -e {go} ]; do sleep 0.05; done"})
    claude.script({"a": [Turn(calls=[("report_progress", report), wait])]})
    plan = {"tasks": tasks({"id": "a"})}
    handle = await claude.start(plan)
    watching = await asyncio.to_thread(claude.site.cli.popen, "watch", handle.id)
    try:
        line = await asyncio.wait_for(asyncio.to_thread(line_with, watching, "polishing"), 60)
        assert "a: 42 % · polishing" in line
        (live,) = (await asyncio.to_thread(claude.site.cli.json, "status", handle.id))["progress"]
        assert live | {"percent": 42, "operation": "polishing", "files": ["x.py"], "minutesLeft": 3} == live
        shown = await asyncio.to_thread(claude.site.cli, "status", handle.id)
        assert "42 %" in shown.stdout
        assert "polishing" in shown.stdout
    finally:
        go.touch()
        await asyncio.to_thread(stop, watching)
    assert (await claude.end(handle, plan))["status"] == "succeeded"


async def test_tools_limits_claude_code_too(claude: Claude) -> None:
    calls = [("Bash", {"command": "echo ran > ran"}), ("Write", {"file_path": "ran", "content": "x"})]
    claude.script({"a": [Turn(calls=[call]) for call in calls] + [Turn("Done.")]})
    rows = tasks({"id": "a", "tools": ["Read"]})
    document = await claude.run({"agent": "claude-code", "tasks": rows})
    offered = {tool["name"] for tool in claude.api.calls[0].request["tools"]}
    assert offered - {"DeferredToolPlaceholder"} == {"Read", "AskUserQuestion"}
    told = results(claude.api.calls[-1])
    assert [each.get("is_error") for each in told] == [True, True], told
    assert document["results"][0]["filesModified"] == []
