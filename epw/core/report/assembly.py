"""A report from its parts: the result, the plan, and the activities that the history tells of."""

from __future__ import annotations

from collections.abc import Sequence

from epw.core.messages import RUN_TASK
from epw.core.plan.model import Plan
from epw.core.report.model import ExecutionResult
from epw.core.report.report import Planned, Report
from epw.core.report.timeline import ActivityRun, timeline
from epw.core.report.undo import undo_steps
from epw.core.version import __version__


def assembled(
    plan: Plan, result: ExecutionResult, runs: Sequence[ActivityRun], *, made: int, began: int, ended: int | None
) -> Report:
    """The report without diffs, and without what leads on; moments in epoch milliseconds."""
    return {
        "executionId": result["executionId"],
        "version": __version__,
        "madeAt": made,
        "startedAt": began,
        "endedAt": ended,
        "plan": _planned(plan, result, runs),
        "result": result,
        "timeline": timeline(runs, result, ended),
        "diffs": [],
        "next": [],
        "undo": undo_steps(result),
    }


def _planned(plan: Plan, result: ExecutionResult, runs: Sequence[ActivityRun]) -> Planned:
    """The plan of the tasks that the result has."""
    models = {run.task_id: run.input.get("model") for run in runs if run.type == RUN_TASK}
    tasks = {task.id: task for task in plan.tasks}
    return {
        "name": plan.name,
        "description": plan.description,
        "strategy": plan.strategy,
        "maxAgents": plan.max_agents,
        "verify": plan.verify,
        "checks": _checks(plan),
        "tasks": [
            {
                "taskId": task.id,
                "description": task.description,
                "dependsOn": task.depends_on,
                "estimatedMinutes": task.estimated_minutes,
                "agent": plan.backend_of(task).name,
                "model": models.get(task.id) or plan.model_of(task),
            }
            for task in (tasks[row["taskId"]] for row in result["results"] if row["taskId"] in tasks)
        ],
    }


def _checks(plan: Plan) -> str:
    checks = plan.checks
    return checks if isinstance(checks, str) else ", ".join(checks) if isinstance(checks, list) else checks.command
