"""Reports for tests: of recorded histories, and made ones of any size with any text in them."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pydantic import TypeAdapter
from temporalio.client import WorkflowExecutionStatus, WorkflowHistory

from epw.client.activity_runs import activity_runs
from epw.client.documents import expanded
from epw.client.started_plan import plan_in
from epw.core.plan.validate import read_plan
from epw.core.report.assembly import assembled
from epw.core.report.diffs import shown_diffs
from epw.core.report.history import empty_row, task_error
from epw.core.report.report import Report
from epw.core.report.timeline import stretch
from epw.service.converter import data_converter
from epw.service.replay import document_of_history
from epw.settings import Settings

HISTORIES = Path(__file__).parents[1] / "histories"
BEGAN = 1_795_000_000_000
_REPORT = TypeAdapter(Report)


async def recorded(name: str, home: Path) -> Report:
    """The report of a recorded execution, whose hub is gone."""
    history = WorkflowHistory.from_json(f"recorded-{name}", (HISTORIES / f"{name}.json").read_text())
    first, last = (event.event_time.ToDatetime(tzinfo=UTC) for event in (history.events[0], history.events[-1]))
    short = await document_of_history(history, int(last.timestamp() * 1000))
    assert short is not None
    raw = SimpleNamespace(workflow_execution_info=SimpleNamespace(first_run_id="r"))
    status = WorkflowExecutionStatus.COMPLETED
    described: Any = SimpleNamespace(id=short["executionId"], run_id="r", status=status, raw_description=raw)
    result = expanded(Settings(home), short, described)
    times = [round(each.timestamp() * 1000) for each in (first, last)]
    plan = read_plan(await plan_in(history.events[0], data_converter), runnable=False)
    runs = await activity_runs(history.events, data_converter)
    return _REPORT.validate_python(assembled(plan, result, runs, made=times[1], began=times[0], ended=times[1]))


def made(
    count: int = 3,
    *,
    words: str = "do it",
    names: list[str] | None = None,
    lines: int = 4,
    status: str = "partial",
    agents: int = 3,
) -> Report:
    """A report of `count` tasks, each after the one before the last; `words` is all that agents and people say."""
    ids = names or [f"task-{number}" for number in range(count)]
    rows, planned, timeline, patches = [], [], [], {}
    for number, task_id in enumerate(ids):
        is_bad = number % 7 == 3
        began = BEGAN + 1000 * (number // agents)
        row = empty_row(task_id)
        row |= {
            "status": "failed" if is_bad else "succeeded",
            "success": not is_bad,
            "landed": not is_bad,
            "agentId": f"agent-{number % agents + 1}",
            "attempts": 1,
            "startedAt": began,
            "finishedAt": began + 900,
            "duration": 900,
            "commit": f"{number:040x}",
            "summary": words,
            "changes": [
                {"file": words, "type": "modify", "additions": 1, "deletions": 1, "lineNumbers": {"start": 1, "end": 1}}
            ],
            "filesModified": [words],
            "error": task_error(task_id, type="CommandFailed", message=words, attempt=1, command=words)
            if is_bad
            else None,
            "usage": {"requests": 2, "inputTokens": 1000, "outputTokens": 50, "costUSD": 0.02},
        }
        rows.append(row)
        planned.append(
            {
                "taskId": task_id,
                "description": words,
                "dependsOn": ids[max(0, number - 2) : max(0, number - 1)],
                "estimatedMinutes": 1.0,
                "agent": "claude",
                "model": words,
            }
        )
        timeline.append(
            stretch(
                "agent",
                "failed" if is_bad else "completed",
                began,
                began + 900,
                taskId=task_id,
                agentId=row["agentId"],
                attempt=1,
            )
        )
        patches[task_id] = "".join(
            f"{sign}{words} {line}\n" for line in range(max(1, lines // 3)) for sign in "+- "
        ).encode("utf-8", "surrogatepass")
    timeline.append(stretch("wait", "question", BEGAN, BEGAN + 500, taskId=ids[0]))
    timeline.append(stretch("epw", "land", BEGAN, BEGAN + 100))
    end = BEGAN + 1000 * (len(ids) // agents + 1)
    conflict = {
        "id": "c1",
        "type": "file-level",
        "kind": "lines",
        "severity": "high",
        "agents": [],
        "tasks": ids[:2],
        "description": words,
        "affectedResources": [words],
        "paths": [words],
        "detectionMethod": "merge",
        "commit": None,
        "resolutionOptions": [],
        "resolution": "retry",
        "decidedBy": "strategy",
        "hunks": [{"path": words, "line": 3, "base": words, "ours": words, "theirs": words}],
        "intents": [{"taskId": ids[0], "description": words, "summary": words}],
    }
    question = {"id": "q1", "taskId": ids[0], "text": words, "options": [words], "askedAt": BEGAN}
    steering = {"at": BEGAN, "by": words, "action": "cancel_task", "request": {"taskId": words}, "outcome": words}
    metrics = {
        "totalTasks": len(ids),
        "parallelTasks": len(ids),
        "sequentialTasks": 0,
        "totalDuration": end - BEGAN,
        "sequentialDuration": 900 * len(ids),
        "actualSpeedup": 2.5,
        "agentCount": agents,
        "conflictCount": 1,
        "failureCount": 1,
        "retryCount": 0,
        "estimatedSpeedup": 2.8,
        "scheduleDuration": 900,
        "efficiency": 0.9,
        "coordinationOverhead": 0.1,
        "criticalPath": ids[::2][:10],
        "peakMemoryMB": None,
        "cpuSeconds": None,
        "writtenMB": None,
        "agentsUsed": agents,
        "batches": 1,
        "peakConcurrency": agents,
        "costUSD": 0.02,
    }
    delivery = {
        "mode": "branch",
        "base": "0" * 40,
        "head": "1" * 40,
        "branch": "epw/made",
        "refusedBecause": None,
        "finishWith": [],
        "warnings": [words],
        "files": [words],
    }
    return _REPORT.validate_python(
        {
            "executionId": "made",
            "version": "1.0",
            "madeAt": end + 1000,
            "startedAt": BEGAN,
            "endedAt": end,
            "plan": {
                "name": words,
                "description": words,
                "strategy": "aggressive",
                "maxAgents": agents,
                "verify": words,
                "checks": "auto",
                "tasks": planned,
            },
            "result": {
                "success": False,
                "status": status,
                "executionId": "made",
                "runId": "r",
                "results": rows,
                "conflicts": [conflict],
                "questions": [{**question, "answer": words, "answeredAt": BEGAN + 500}],
                "metrics": metrics,
                "delivery": delivery,
                "landingOrder": [],
                "steering": [steering],
            },
            "timeline": sorted(timeline, key=lambda each: each["start"]),
            "diffs": shown_diffs(patches),
            "next": [{"command": "epw diff made", "purpose": words}],
            "undo": [{"command": "git revert --no-edit 000000000000..111111111111", "purpose": words}],
        }
    )
