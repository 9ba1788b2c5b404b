"""Checks of the invariants I1 to I14 of an execution that has ended; docs/invariants.md explains each.

Each function looks from outside, at the result, the history, the hub or this machine, and yields one line per
violation, which begins with the invariant's name.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import psutil
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from activities.attempt.unsaved import unsaved
from activities.git.changes import changed_paths
from activities.git.command import display_path
from activities.git.hub import Hub
from activities.processes.process_tree import MARKER
from activities.state.execution_store import ExecutionStore
from epw.core import failures
from epw.core.execution.exit_status import OUTCOMES
from epw.core.execution.task_state import TERMINAL
from epw.core.messages import RUN_TASK
from epw.core.plan.graph import TaskGraph
from epw.core.plan.model import Plan
from epw.core.report.measured import Metrics
from epw.core.report.model import ExecutionResult
from epw.core.report.task_result import TaskResult

_TASK_ACTIVITY = "task-"
"""Prefix of the ids of task activities."""
_CLOSED = (
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT,
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED,
)
_MAX_EVENTS_OF_EXECUTION = 60
_MAX_EVENTS_OF_TASK = 6
_MAX_EVENTS_OF_TASK_WITH_WORKSPACE = 12
_MAX_EVENTS_OF_STEP = 6
"""Most events of each further attempt, question, update, landing, verify and rollback."""
_SPEEDUP_TOLERANCE = 0.05


def of_document(plan: Plan, document: ExecutionResult) -> Iterator[str]:
    """Violations in the result (I1 to I7, I13)."""
    rows = {row["taskId"]: row for row in document["results"]}
    graph = TaskGraph.of_plan(plan)
    if list(rows) != graph.ids:
        yield "I3: the result does not hold every planned task once, in plan order"
        return
    yield from (f"I3: {task} is {row['status']}" for task, row in rows.items() if row["status"] not in TERMINAL)
    for before, after in graph.edges:
        started, finished = rows[after]["startedAt"], rows[before]["finishedAt"]
        # A task that is to run again has not started.
        if started is not None and (finished is None or finished > started):
            yield f"I1: {after} started before {before} had ended"
    if document["metrics"] is not None:
        yield from _of_metrics(document["metrics"], rows)
    yield from _of_landings(plan, graph, document, rows)
    for asked in document["questions"]:
        if asked["answer"] is not None and asked["taskId"] not in rows:
            yield f"I13: the answer to {asked['id']} belongs to no task"
    if len({asked["id"] for asked in document["questions"]}) != len(document["questions"]):
        yield "I13: two questions have the same id"


def _of_metrics(metrics: Metrics, rows: dict[str, TaskResult]) -> Iterator[str]:
    if metrics["peakConcurrency"] > metrics["agentCount"]:
        yield "I2: more agents at once than allowed"
    if metrics["totalTasks"] != len(rows) or metrics["parallelTasks"] + metrics["sequentialTasks"] != len(rows):
        yield "I6: the counts of tasks do not add up"
    if metrics["sequentialDuration"] != sum(row["duration"] for row in rows.values()):
        yield "I6: sequentialDuration is not the sum of the durations"
    if (metrics["actualSpeedup"] or 0) > metrics["agentCount"] + _SPEEDUP_TOLERANCE:
        yield "I6: a speedup above the number of agents"


def _of_landings(plan: Plan, graph: TaskGraph, document: ExecutionResult, rows: dict[str, TaskResult]) -> Iterator[str]:
    bad = [task for task, row in rows.items() if row["status"] in ("failed", "conflicted", "cancelled")]
    goes_on = plan.strategy == "aggressive" and plan.atomic in (None, "task")
    if goes_on and document["status"] in ("partial", "succeeded"):
        skipped = {task for task, row in rows.items() if row["status"] == "skipped"}
        if any(row["error"] and row["error"]["type"] == failures.BUDGET_LIMIT.type for row in rows.values()):
            # The end of a budget skips tasks that had not started.
            skipped -= {task for task in skipped if not rows[task]["attempts"]} - set(graph.descendants(bad))
        if skipped != set(graph.descendants(bad)):
            yield f"I5: skipped is not exactly what depends on {', '.join(bad) or 'a failure'}"
        if plan.workspace is not None:
            unequal = [task for task, row in rows.items() if row["landed"] != (row["status"] == "succeeded")]
            yield from (f"I5: {task} is {rows[task]['status']}, landed: {rows[task]['landed']}" for task in unequal)
    if document["status"] in ("rolled_back", "cancelled") and any(row["landed"] for row in rows.values()):
        yield "I4: rolled back, and something has landed"
    delivery = document["delivery"]
    if delivery and delivery["head"] and document["status"] in ("succeeded", "partial"):
        landed = {file for row in rows.values() if row["landed"] for file in row["filesModified"] or []}
        more = sorted(set(delivery["files"] or []) - landed)
        yield from (f"I7: {file} was delivered, and no landed task changed it" for file in more)


def of_history(plan: Plan, document: ExecutionResult, events: Sequence[HistoryEvent]) -> Iterator[str]:
    """Violations in the history (I1, I2, I9, I14)."""
    graph = TaskGraph.of_plan(plan)
    scheduled: dict[int, str] = {}
    running: dict[int, str] = {}
    succeeded: Counter[str] = Counter()
    steps = most = 0
    for event in events:
        attributes = event.activity_task_scheduled_event_attributes
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            steps += attributes.activity_type.name != RUN_TASK
            if attributes.activity_type.name == RUN_TASK:
                task = attributes.activity_id.removeprefix(_TASK_ACTIVITY)
                scheduled[event.event_id] = running[event.event_id] = task
                most = max(most, len(running))
                yield from (
                    f"I1: {task} was started before {before} had succeeded"
                    for before in graph.dependencies.get(task, [])
                    if not succeeded[before] and not _is_reused(document, before)
                )
                # A task runs again each time its change did not merge, or a person wants it.
                sent = json.loads(attributes.input.payloads[0].data)
                if succeeded[task] > sent.get("reruns", 0) + sent.get("retries", 0):
                    yield f"I9: {task} ran again after it had succeeded"
        elif event.event_type in _CLOSED:
            closed = _scheduled_by(event)
            task = running.pop(closed, "")
            succeeded[task] += bool(task) and _is_success(event)
    if document["metrics"] and most > document["metrics"]["agentCount"]:
        yield f"I2: {most} agents at once, {document['metrics']['agentCount']} allowed"
    of_task = _MAX_EVENTS_OF_TASK if plan.workspace is None else _MAX_EVENTS_OF_TASK_WITH_WORKSPACE
    further = max(0, len(scheduled) - len(plan.tasks)) + len(document["questions"]) + len(document["steering"]) + steps
    bound = _MAX_EVENTS_OF_EXECUTION + of_task * len(plan.tasks) + _MAX_EVENTS_OF_STEP * further
    if len(events) > bound:
        yield f"I14: {len(events)} events, {bound} allowed"


def of_hub(document: ExecutionResult, hub: Hub | None) -> Iterator[str]:
    """Violations in the saved commits (I7): each is there, and its changes are what git says."""
    for row in document["results"]:
        commit = row["commit"]
        if hub is None or commit is None:
            continue
        if hub.resolve(commit) is None:
            yield f"I7: the commit of {row['taskId']} is gone: {commit}"
            continue
        paths = [display_path(path) for path in changed_paths(hub, hub.parent_of(commit), commit)]
        if sorted(paths) != sorted(row["filesModified"] or []):
            yield f"I7: the changes of {row['taskId']} are not what git says"


def of_machine(execution: ExecutionStore, document: ExecutionResult) -> Iterator[str]:
    """Remains of the execution on this machine (I12)."""
    waiting = dict[str, str]()
    for task, folder in unsaved(execution):
        waiting[str(folder)] = task
    named = json.dumps(document, ensure_ascii=False) if waiting else ""
    yield from (f"I12: the work of {task} is not saved: {each}" for each, task in waiting.items() if each not in named)
    if document["status"] not in OUTCOMES:
        return  # Terminated: the next command or worker removes what it has left.
    top = execution.path / "attempts"
    inside = (each for depth in ("*", "*/*", "*/*/*") for each in top.glob(depth))
    if (top.is_dir() and not waiting) or any(not _holds(each, waiting) for each in inside):
        yield f"I12: directories of attempts are left in {execution.path}"
    if execution.has_half_delivery() and document["status"] != "rollback_failed":
        yield f"I12: a delivery's journal is left in {execution.path}"
    for process in psutil.process_iter():
        try:
            marker = process.environ().get(MARKER, "")
        except (psutil.Error, OSError):
            continue
        if marker.startswith(execution.key):
            yield f"I12: process {process.pid} of {marker} is left"


def _holds(folder: Path, others: Iterable[str]) -> bool:
    return any(Path(other).is_relative_to(folder) for other in others)


def _is_success(event: HistoryEvent) -> bool:
    """Whether an attempt completed its task; a question or a usage limit completes the activity only."""
    if event.event_type != EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
        return False
    (payload,) = event.activity_task_completed_event_attributes.result.payloads
    return bool(json.loads(payload.data)["kind"] == "completed")


def _is_reused(document: ExecutionResult, task: str) -> bool:
    return any(row["taskId"] == task and row.get("reused") for row in document["results"])


def _scheduled_by(event: HistoryEvent) -> int:
    """Id of the event that scheduled the activity which this event closes; 0 for other events."""
    for name in ("completed", "failed", "timed_out", "canceled"):
        field = f"activity_task_{name}_event_attributes"
        if event.HasField(field):  # type: ignore[arg-type]
            return int(getattr(event, field).scheduled_event_id)
    return 0
