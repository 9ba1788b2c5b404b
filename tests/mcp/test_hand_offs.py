"""Phase 7: lists and goals of other programs, through every tool, on a real repository, and back to who gave them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.mcp.support import McpSite
from tests.support import sh

AUTHENTICATION = {
    "name": "authentication",
    "tasks": [
        {"description": "Design the user schema"},
        {"description": "Implement password hashing", "estimatedHours": 0.5},
        {"description": "Implement sessions"},
        {"description": "Implement the login endpoint"},
        {"description": "Implement the logout endpoint"},
        {"description": "Research rate limits"},
        {"description": "Test the endpoints"},
    ],
}


async def test_a_task_list_is_analyzed_optimized_executed_checked_and_reported(mcp_at_work: McpSite) -> None:
    """task-executor list → analyze → optimize → execute → detect_conflicts → complete_task."""
    (mcp_at_work.folder / "workflow.json").write_text(json.dumps(AUTHENTICATION))
    plan = await asyncio.to_thread(mcp_at_work.cli.json, "import", str(mcp_at_work.folder / "workflow.json"))
    tasks: list[dict[str, Any]] = plan["tasks"]
    assert [task["estimatedMinutes"] for task in tasks] == [45, 30, 30, 30, 30, 60, 15]
    for task in tasks:
        task |= {"files": [f"{task['id']}.py"], "run": f"echo done > {task['id']}.py"}
    # One of them cannot be done.
    tasks[5]["run"] = "echo no such limits >&2; exit 1"
    async with mcp_at_work.agent("--allow-commands") as agent:
        analysis = await agent.result(
            "analyze_task_parallelizability", taskDescription="authentication", subtasks=tasks, maxParallelAgents=3
        )
        assert analysis["parallelizable"]
        optimized = await agent.result(
            "optimize_batch_distribution",
            tasks=tasks,
            dependencyGraph=analysis["dependencyGraph"],
            maxParallelAgents=3,
            optimizationGoal="balance-load",
        )
        assert len(optimized["assignments"]) == 7
        executed = await agent.result(
            "execute_parallel_workflow",
            analysisResult=analysis,
            executionStrategy="aggressive",
            maxParallelAgents=3,
            workspace=".",
            wait=True,
        )
        assert executed["status"] == "partial"
        found = await agent.result("detect_conflicts", agentResults=executed["results"])
        assert not found["hasConflicts"]
    calls = await asyncio.to_thread(
        mcp_at_work.cli.json, "export", executed["executionId"], "--as", "complete-task", "--workflow", "authentication"
    )
    assert {call["name"] for call in calls} == {"complete_task"}
    done = [call["arguments"]["taskId"] for call in calls]
    assert done == [task["id"] for task in tasks if task is not tasks[5]], "only what has succeeded is complete"
    assert {call["arguments"]["workflowName"] for call in calls} == {"authentication"}


async def test_a_goal_with_three_sub_goals_runs_as_parallel_executions_that_aggregate(mcp_at_work: McpSite) -> None:
    """Sub-goals → an execution each, at once → aggregate_progress → update_goal_progress."""
    goals = {"parser": 2, "printer": 1, "docs": 3}
    async with mcp_at_work.agent("--allow-commands") as agent:

        async def run(goal: str, count: int) -> dict[str, Any]:
            rows = [
                {"id": f"{goal}-{n}", "description": f"part {n} of the {goal}", "run": f"echo {n} > {goal}{n}"}
                for n in range(count)
            ]
            plan = {"name": goal, "workspace": ".", "tasks": rows}
            return await agent.result("execute_parallel_workflow", plan=plan, wait=True)

        ended = await asyncio.gather(*(run(goal, count) for goal, count in goals.items()))
        progresses = []
        for (goal, count), execution in zip(goals.items(), ended, strict=True):
            assert execution["success"], execution
            seen = await agent.result(
                "aggregate_progress", executionId=execution["executionId"], aggregationStrategy="weighted"
            )
            progresses.append(
                {
                    "agentId": goal,
                    "currentTask": goal,
                    "percentComplete": seen["overallProgress"],
                    "taskWeight": count,
                    "status": "complete",
                }
            )
        overall = await agent.result("aggregate_progress", agentProgresses=progresses, aggregationStrategy="weighted")
        assert overall["overallProgress"] == 100
    for goal, execution in zip(goals, ended, strict=True):
        (call,) = await asyncio.to_thread(
            mcp_at_work.cli.json, "export", execution["executionId"], "--as", "goal-progress", "--goal", goal
        )
        count = goals[goal]
        assert call["arguments"].items() >= {"goalId": goal, "progress": 100, "tasksCompleted": count}.items()
        branch = execution["delivery"]["branch"]
        assert sh(mcp_at_work.folder, "git", "show", f"{branch}:{goal}0") == "0\n"
