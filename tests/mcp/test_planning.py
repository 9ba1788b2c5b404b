"""The six tools by a real client over a real pipe: what one answers, the next one takes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from epw.mcp.tools import TOOLS
from tests.mcp.support import LEGACY, MODERN, McpSite
from tests.support import sh

SIX = [
    "analyze_task_parallelizability",
    "create_dependency_graph",
    "optimize_batch_distribution",
    "execute_parallel_workflow",
    "aggregate_progress",
    "detect_conflicts",
]
STEPS = ["schema", "hashing", "sessions", "login", "logout", "api", "docs"]
BEFORE = {"login": ["hashing", "sessions"], "logout": ["sessions"], "api": ["login", "logout"], "docs": ["api"]}


def authentication() -> list[dict[str, Any]]:
    """An authentication system in seven tasks, each of a file of its own."""
    return [
        {
            "id": step,
            "description": f"write the {step} part",
            "estimatedMinutes": 10 + index,
            "dependsOn": BEFORE.get(step, []),
            "files": [f"{step}.py"],
            "run": f"echo {step.upper()} = {index} > {step}.py",
        }
        for index, step in enumerate(STEPS)
    ]


@pytest.mark.parametrize("mode", [LEGACY, MODERN])
async def test_a_client_lists_the_tools_and_hands_one_answer_to_the_next(mcp_at_work: McpSite, mode: str) -> None:
    """Phase 7, part 1: task list → analyze → optimize → execute → detect conflicts."""
    async with mcp_at_work.agent("--allow-commands", mode=mode) as agent:
        tools = (await agent.client.list_tools()).tools
        assert [tool.name for tool in tools][:6] == SIX
        assert len(tools) == len(TOOLS)

        analysis = await agent.result(
            "analyze_task_parallelizability",
            taskDescription="an authentication system",
            subtasks=authentication(),
            maxParallelAgents=3,
        )
        assert analysis["parallelizable"]
        optimized = await agent.result(
            "optimize_batch_distribution",
            tasks=authentication(),
            dependencyGraph=analysis["dependencyGraph"],
            maxParallelAgents=3,
            optimizationGoal="minimize-time",
        )
        assert optimized["estimatedTotalTime"] == analysis["estimatedMinutes"]
        executed = await agent.result(
            "execute_parallel_workflow",
            analysisResult=analysis,
            executionStrategy="aggressive",
            maxParallelAgents=3,
            workspace=".",
            wait=True,
        )
        assert executed["success"]
        assert executed["status"] == "succeeded"
        assert [row["taskId"] for row in executed["results"]] == STEPS
        for step, row in zip(STEPS, executed["results"], strict=True):
            assert row["filesModified"] == [f"{step}.py"]
        found = await agent.result(
            "detect_conflicts", agentResults=executed["results"], dependencyGraph=analysis["dependencyGraph"]
        )
        assert not found["hasConflicts"]
        really = await agent.result("detect_conflicts", executionId=executed["executionId"])
        assert not really["hasConflicts"]
        assert sorted(really["mergedResult"]["filesModified"]) == sorted(f"{step}.py" for step in STEPS)
    branch = really["mergedResult"]["branch"]
    assert sh(mcp_at_work.folder, "git", "show", f"{branch}:api.py") == "API = 5\n"
    percents = [progress for progress, _, _ in agent.progress]
    assert percents == sorted(percents), "progress never goes back"
    assert any("tasks ended" in (message or "") for _, _, message in agent.progress)


async def test_every_problem_is_reported_with_its_path_and_no_stack_trace(mcp_at_work: McpSite) -> None:
    async with mcp_at_work.agent() as agent:
        error = await agent.error("analyze_task_parallelizability", taskDescription=" ", subtasks=[{"id": ""}])
        assert [each["path"] for each in error["problems"]] == [
            "taskDescription",
            "subtasks[0].id",
            "subtasks[0].description",
        ]
        assert error["message"].splitlines()[0] == "taskDescription is required and cannot be empty"
        missing = await agent.error("execute_parallel_workflow", executionStrategy="bold", maxParallelAgents=0)
        assert 'executionStrategy must be "conservative" or "aggressive"' in missing["message"]
        assert "maxParallelAgents must be between 1 and 1000" in missing["message"]
        assert "Traceback" not in json.dumps(missing)


async def test_a_long_answer_is_cut_and_its_uri_stands_for_the_whole(mcp_at_work: McpSite) -> None:
    tasks = [{"id": f"t{n}", "description": f"part {n} of the work", "estimatedMinutes": 5} for n in range(600)]
    async with mcp_at_work.agent() as agent:
        text = await agent.text("create_dependency_graph", tasks=tasks)
        assert len(text) <= 4 * 8_000
        graph = json.loads(text)
        uri = graph["truncated"]["whole"]
        assert sum(graph["truncated"]["leftOut"].values()) > 0
        (content,) = (await agent.client.read_resource(uri)).contents
        whole = json.loads(getattr(content, "text"))  # noqa: B009 (of several kinds of content)
        assert len(whole["graph"]["nodes"]) == 600
        optimized = await agent.result(
            "optimize_batch_distribution",
            tasks=tasks,
            dependencyGraph={"resource": uri},
            maxParallelAgents=100,
            optimizationGoal="minimize-time",
        )
        assert optimized["estimatedTotalTime"] == 30
        gone = await agent.error(
            "optimize_batch_distribution",
            tasks=tasks[:1],
            dependencyGraph={"resource": "epw://results/0"},
            maxParallelAgents=1,
            optimizationGoal="minimize-time",
        )
        assert "is not kept any more" in gone["message"]
