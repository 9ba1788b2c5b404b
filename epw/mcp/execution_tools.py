"""Tools over MCP that look at executions and steer them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from epw.client.listing import listed
from epw.core.errors import InvalidInput, Problem
from epw.core.plan.schema import plan_schema
from epw.mcp.application import Application
from epw.mcp.call import Call
from epw.mcp.planning_tools import MAX_WAIT_SECONDS
from epw.mcp.views import LOOK, brief, whole

_MAX_CHARACTERS = 100_000
_DEFAULT_CHARACTERS = 16_000


async def get_execution(application: Application, call: Call) -> dict[str, Any]:
    """The state, at once or, with `wait`, when the execution has ended or needs a person."""
    execution_id, seconds = call.text("executionId"), call.integer("waitSeconds", MAX_WAIT_SECONDS, 1, MAX_WAIT_SECONDS)
    if call.flag("wait"):
        document, live = await application.executions.wait(execution_id, call, seconds)
    else:
        document, live = await application.executions.state(execution_id)
    return whole(document) if call.flag("full") else brief(document, live)


async def list_executions(application: Application, call: Call) -> dict[str, Any]:
    offset, limit = call.integer("offset", 0, 0, 1_000_000), call.integer("limit", 20, 1, 200)
    rows = await listed(await application.host.connection())
    shown = [
        {**row, "startedAt": datetime.fromtimestamp(row["startedAt"] / 1000, UTC).isoformat(timespec="seconds")}
        for row in rows[offset : offset + limit]
    ]
    return {"executions": shown, "total": len(rows), "offset": offset}


async def answer_question(application: Application, call: Call) -> dict[str, Any]:
    request = {"questionId": call.text("questionId"), "text": call.text("text")}
    return await _updated(application, call, "answer", request)


async def resolve_conflict(application: Application, call: Call) -> dict[str, Any]:
    request = {"conflictId": call.text("conflictId"), "choice": call.text("choice")}
    return await _updated(application, call, "resolve_conflict", request)


async def pause_execution(application: Application, call: Call) -> dict[str, Any]:
    paused = await _updated(application, call, "pause", {})
    return {**paused, "next": f"running tasks finish; call resume_execution with executionId {paused['executionId']}"}


async def resume_execution(application: Application, call: Call) -> dict[str, Any]:
    return await _updated(application, call, "resume", {})


async def cancel_execution(application: Application, call: Call) -> dict[str, Any]:
    execution_id = call.text("executionId")
    await application.executions.cancel(execution_id)
    return {"executionId": execution_id, "cancelRequested": True, "next": LOOK.format(execution_id)}


async def cancel_task(application: Application, call: Call) -> dict[str, Any]:
    return await _updated(application, call, "cancel_task", {"taskId": call.text("taskId")})


async def message_agent(application: Application, call: Call) -> dict[str, Any]:
    return await _updated(application, call, "message", {"taskId": call.text("taskId"), "text": call.text("text")})


async def retry_task(application: Application, call: Call) -> dict[str, Any]:
    return await _updated(application, call, "retry_task", {"taskId": call.text("taskId")})


async def add_tasks(application: Application, call: Call) -> dict[str, Any]:
    """Add tasks, where the user's leave allows the plan that has them too."""
    execution_id, tasks = call.text("executionId"), call.arguments.get("tasks")
    if not isinstance(tasks, list) or not tasks:
        raise InvalidInput([Problem("tasks", "tasks is required and cannot be empty")])
    made = await application.executions.check_added(execution_id, tasks, call)
    return await _updated(application, call, "add_tasks", {"tasks": made})


async def change_limits(application: Application, call: Call) -> dict[str, Any]:
    """One update for each limit that is given; raises `InvalidInput` where none is."""
    agents = call.optional_integer("maxAgents", 1, 1000)
    cost, tokens = call.optional_amount("maxCostUSD"), call.optional_integer("maxTokens", 1, 10**15)
    task_id, priority = call.optional_text("taskId"), call.optional_integer("priority", -(2**31), 2**31 - 1)
    if (task_id is None) != (priority is None):
        raise InvalidInput([Problem("priority", "taskId and priority go together")])
    budget = {name: value for name, value in (("maxCostUSD", cost), ("maxTokens", tokens)) if value is not None}
    updates: list[tuple[str, dict[str, Any]]] = [
        *([("set_max_agents", {"maxAgents": agents})] if agents is not None else []),
        *([("set_budget", budget)] if budget else []),
        *([("set_priority", {"taskId": task_id, "priority": priority})] if priority is not None else []),
    ]
    if not updates:
        raise InvalidInput([Problem("", "give maxAgents, maxCostUSD, maxTokens, or taskId and priority")])
    answered: dict[str, Any] = {}
    for name, request in updates:
        answered |= await _updated(application, call, name, request)
    return answered


async def retry_execution(application: Application, call: Call) -> dict[str, Any]:
    earlier = call.text("executionId")
    started, reuse = await application.executions.retry(earlier, call)
    return {"executionId": started, "status": "running", "retryOf": earlier, **reuse, "next": LOOK.format(started)}


async def get_changes(application: Application, call: Call) -> dict[str, Any]:
    """A page of the diff of a task, or of the whole execution."""
    execution_id, task_id = call.text("executionId"), call.optional_text("taskId")
    offset = call.integer("offset", 0, 0, 1_000_000_000)
    limit = call.integer("limit", _DEFAULT_CHARACTERS, 100, _MAX_CHARACTERS)
    found = await application.executions.diff(execution_id, task_id)
    end = offset + limit
    return {
        "executionId": execution_id,
        "taskId": task_id,
        "diff": found[offset:end],
        "offset": offset,
        "totalCharacters": len(found),
        "nextOffset": end if end < len(found) else None,
    }


async def get_plan_schema(application: Application, call: Call) -> dict[str, Any]:
    return {"schema": plan_schema()}


async def _updated(application: Application, call: Call, name: str, request: dict[str, Any]) -> dict[str, Any]:
    execution_id = call.text("executionId")
    answered = await application.executions.update(execution_id, name, request, call.client)
    return {**answered, "executionId": execution_id, "next": LOOK.format(execution_id)}
