"""The six planning tools over MCP: the pure functions of `epw.tools`, and execution where the contract says so."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from epw.core.errors import InvalidInput, Problem
from epw.core.execution.task_state import TERMINAL
from epw.core.report.model import ExecutionResult
from epw.mcp.application import Application
from epw.mcp.call import Call
from epw.mcp.views import LOOK, brief, whole
from epw.tools.analyze import analyze_task_parallelizability
from epw.tools.conflicts import detect_conflicts
from epw.tools.execute import plan_to_execute
from epw.tools.graph import create_dependency_graph
from epw.tools.live import LiveTask, live_progress
from epw.tools.optimize import optimize_batch_distribution
from epw.tools.progress import STRATEGIES, aggregate_progress

MAX_WAIT_SECONDS = 86_400


async def analyze(application: Application, call: Call) -> dict[str, Any]:
    return await asyncio.to_thread(analyze_task_parallelizability, dict(call.arguments))


async def graph(application: Application, call: Call) -> dict[str, Any]:
    return await asyncio.to_thread(create_dependency_graph, dict(call.arguments))


async def optimize(application: Application, call: Call) -> dict[str, Any]:
    """As the pure tool; `dependencyGraph` may be `{"resource": URI}` of an answer that was cut."""
    given = dict(call.arguments)
    found = application.answers.resolve(given.get("dependencyGraph"))
    if isinstance(found, dict) and found is not given.get("dependencyGraph"):
        given["dependencyGraph"] = found.get("dependencyGraph", found.get("graph"))
        if given.get("tasks") is None and isinstance(given["dependencyGraph"], dict):
            given["tasks"] = [node["task"] for node in given["dependencyGraph"]["nodes"].values()]
    return await asyncio.to_thread(optimize_batch_distribution, given)


async def execute(application: Application, call: Call) -> dict[str, Any]:
    """Start the plan; with `wait` answer when it has ended or needs a person."""
    given = {**call.arguments, "analysisResult": application.answers.resolve(call.arguments.get("analysisResult"))}
    if "analysisResult" not in call.arguments:
        del given["analysisResult"]
    options = {name: given.pop(name) for name in ("workspace", "agent", "model", "deliver") if given.get(name)}
    wait, seconds = call.flag("wait"), call.integer("waitSeconds", MAX_WAIT_SECONDS, 1, MAX_WAIT_SECONDS)
    execution_id = call.optional_text("executionId")
    document = {**await asyncio.to_thread(plan_to_execute, given), **options}
    started, warnings = await application.executions.start(document, execution_id, call)
    if wait:
        state, _ = await application.executions.wait(started, call, seconds)
        return whole(state)
    return {
        "success": True,
        "executionId": started,
        "status": "running",
        "results": [],
        "conflicts": [],
        "metrics": {"totalTasks": len(document["tasks"])},
        **({"warnings": warnings} if warnings else {}),
        "next": LOOK.format(started),
    }


async def progress(application: Application, call: Call) -> dict[str, Any]:
    """Aggregate what the caller gives, or the live progress of `executionId`."""
    now = datetime.now(UTC)
    execution_id = call.optional_text("executionId")
    if execution_id is None or call.arguments.get("agentProgresses") is not None:
        return aggregate_progress(dict(call.arguments), now)
    strategy = call.arguments.get("aggregationStrategy")
    if strategy not in STRATEGIES:
        message = f"aggregationStrategy must be one of: {', '.join(STRATEGIES)}"
        raise InvalidInput([Problem("aggregationStrategy", message)])
    document, live = await application.executions.state(execution_id)
    plan = await application.executions.plan(execution_id)
    tasks = []
    for row in document["results"]:
        reported = live.get(row["taskId"])
        percent, left = (reported.percent, reported.minutes_left) if reported else (None, None)
        tasks.append(LiveTask(row["taskId"], row["status"], row["agentId"], percent, left))
    has_ended = all(task.status in TERMINAL for task in tasks)
    found = live_progress(plan, tasks, strategy, now, has_ended=has_ended)
    seen = brief(document, live)
    return {
        "executionId": execution_id,
        **{name: seen[name] for name in ("status", "counts")},
        **found,
        "next": seen["next"],
    }


async def conflicts(application: Application, call: Call) -> dict[str, Any]:
    """Compare what the caller gives, or say what the real merge of `executionId` has found."""
    execution_id = call.optional_text("executionId")
    if execution_id is None or call.arguments.get("agentResults") is not None:
        return await asyncio.to_thread(detect_conflicts, dict(call.arguments))
    document, live = await application.executions.state(execution_id)
    found = [each for each in document["conflicts"] if each["type"] != "dependency"]
    seen = brief(document, live)
    open_ones = [each for each in found if each["resolution"] is None]
    return {
        "executionId": execution_id,
        "hasConflicts": bool(found),
        "conflicts": document["conflicts"],
        "resolutionStrategy": "manual" if open_ones else "auto",
        "mergedResult": None if open_ones else _merged(document),
        "needs": seen["needs"],
        "next": seen["next"],
    }


def _merged(document: ExecutionResult) -> dict[str, Any] | None:
    """All that was delivered; None where nothing was."""
    delivery, metrics = document["delivery"], document["metrics"]
    if delivery is None or delivery["head"] is None:
        return None
    return {
        "success": document["success"],
        "commit": delivery["head"],
        "branch": delivery["branch"],
        "filesModified": delivery["files"] or [],
        "changes": [change for row in document["results"] if row["landed"] for change in row["changes"] or []],
        "duration": metrics["totalDuration"] if metrics else 0,
    }
