"""Claude Code with the plugin of `integrations/`: a scripted model plans, runs, answers and decides."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import claude_agent_sdk as sdk

from tests.command_line import ROOT
from tests.mcp.support import McpSite
from tests.messages_api import MessagesApi, Turn
from tests.support import sh

TOOL = "mcp__plugin_epw_epw__"
ASK = """if [ -z "${EPW_ANSWER:-}" ]; then echo '{"question": "Which name?"}' >> "$EPW_EVENTS"; exit 75; fi
echo "$EPW_ANSWER" > name"""
ROWS: list[dict[str, Any]] = [
    {"id": "asks", "description": "ask", "run": ASK, "estimatedMinutes": 20},
    {"id": "one", "description": "first", "run": "sed -i s/3/one/ shared", "estimatedMinutes": 20},
    {"id": "two", "description": "second", "run": "sed -i s/3/two/ shared", "estimatedMinutes": 20},
]


def last_result(request: dict[str, Any]) -> dict[str, Any]:
    """JSON of the newest tool result in a conversation."""
    for message in reversed(request["messages"]):
        for block in message["content"] if isinstance(message["content"], list) else []:
            if block["type"] == "tool_result":
                content = block["content"]
                text = content if isinstance(content, str) else content[0]["text"]
                found: dict[str, Any] = json.loads(text) if text.startswith("{") else {}
                return found
    return {}


class Model:
    """What the scripted model does next, by the newest result it has seen."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.tools: list[str] = []
        self.ended: dict[str, Any] = {}

    def __call__(self, task: str, turn: int, request: dict[str, Any]) -> Turn:
        self.tools = [tool["name"] for tool in request.get("tools", [])] or self.tools
        if not self.tools:
            return Turn("not this conversation")
        if not any(name.startswith(TOOL) for name in self.tools):
            # Claude Code does not wait for its servers.
            return Turn(calls=[("Read", {"file_path": "README.md"})])
        seen = last_result(request)
        if not self.done:
            arguments: dict[str, Any] = {"taskDescription": "three parts", "subtasks": ROWS, "maxParallelAgents": 3}
            return self._call("analyze_task_parallelizability", arguments)
        if "dependencyGraph" in seen:
            plan = {"workspace": ".", "tasks": ROWS, "onConflict": ["ask"]}
            arguments = {"plan": plan, "executionStrategy": "aggressive", "maxParallelAgents": 3}
            return self._call("execute_parallel_workflow", arguments)
        identifier = seen["executionId"]
        if need := next(iter(seen.get("needs", [])), None):
            given = dict(need["answerWith"]["arguments"])
            choices = [each["choice"] for each in need.get("choices", [])]
            choice = next((each for each in choices if each.startswith("prefer")), "")
            given |= {"text": "Grace"} if need["kind"] == "question" else {"choice": choice}
            return self._call(need["answerWith"]["tool"], given)
        if seen.get("status", "running") in ("running", "paused") or "metrics" not in seen:
            return self._call("get_execution", {"executionId": identifier, "wait": True})
        self.ended = seen
        return Turn(f"Delivered on {seen['delivery']['branch']}.")

    def _call(self, tool: str, arguments: dict[str, Any]) -> Turn:
        self.done.append(tool)
        return Turn(calls=[(TOOL + tool, arguments)])


async def test_claude_code_runs_a_plan_to_its_merged_branch(mcp: McpSite, tmp_path: Path) -> None:
    model = Model()
    api = MessagesApi(model)
    plugin = _allowing_commands(tmp_path / "plugin")
    async with api.serving():
        environment = {
            **api.environment,
            **mcp.cli.env,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(tmp_path / "user"),
            "ENABLE_TOOL_SEARCH": "false",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
        }
        options = sdk.ClaudeAgentOptions(
            cwd=mcp.folder,
            env=environment,
            setting_sources=[],
            plugins=[{"type": "local", "path": str(plugin)}],
            allowed_tools=[TOOL.rstrip("_")],
        )
        messages = [message async for message in sdk.query(prompt="Task: parts", options=options)]
    (begun,) = [each for each in messages if isinstance(each, sdk.SystemMessage) and each.subtype == "init"]
    assert {"epw:plan", "epw:run", "epw:status", "epw:parallel-work"} <= set(begun.data["slash_commands"])
    result = messages[-1]
    assert isinstance(result, sdk.ResultMessage)
    assert not result.is_error, model.done
    assert model.ended["status"] == "succeeded", model.ended
    assert {"answer_question", "resolve_conflict"} <= set(model.done)
    branch = model.ended["delivery"]["branch"]
    assert result.result == f"Delivered on {branch}."
    assert sh(mcp.folder, "git", "show", f"{branch}:name") == "Grace\n"
    assert sh(mcp.folder, "git", "show", f"{branch}:shared").splitlines()[2] in ("one", "two")


def _allowing_commands(plugin: Path) -> Path:
    """A copy of the plugin whose server runs a model's commands: nobody is there to be asked."""
    sh(ROOT, "cp", "-r", str(ROOT / "integrations/claude-code"), str(plugin))
    file = plugin / ".mcp.json"
    configured = json.loads(file.read_text())
    configured["mcpServers"]["epw"]["args"].append("--allow-commands")
    file.write_text(json.dumps(configured))
    return plugin
