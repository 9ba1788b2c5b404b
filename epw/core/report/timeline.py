"""Timeline of an execution: attempts of agents, steps of `epw`, waits without an agent; from activities and result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from epw.core.execution.task_state import NO_WORKER_MS
from epw.core.messages import RUN_TASK
from epw.core.report.model import ExecutionResult
from epw.core.report.report import Stretch

_LIMITED = ("usage-limit",)


@dataclass
class ActivityRun:
    """An activity of the execution, from the history; times in epoch milliseconds."""

    type: str
    scheduled: int
    input: dict[str, Any] = field(default_factory=dict)
    started: int | None = None
    """When a worker took it the last time."""
    runs: int = 1
    """How many times a worker has taken it."""
    waits: bool = False
    """Whether no worker has it: the first has not come, or the last one ended."""
    ended: int | None = None
    outcome: str = "running"
    """Of an attempt, as `Stretch.what`; of others `completed`, `failed` or `cancelled`."""
    details: dict[str, Any] = field(default_factory=dict)
    """What an attempt has reported (`TaskOutcome`)."""

    @property
    def began(self) -> int:
        """When it began; of an attempt that a lost worker had, the run that has told how it ended."""
        if self._told_start:
            return max(self.scheduled, self._told_start)
        return self.started if self.started is not None else self.scheduled

    @property
    def worked_until(self) -> int | None:
        """When its work ended; what was told of it may have had to wait for the server."""
        if not self._told_start or self.ended is None:
            return self.ended
        lasted = sum(int(self.details.get(part) or 0) for part in ("durationMs", "limitedMs", "crowdedMs"))
        return max(self.began, min(self.ended, self._told_start + lasted))

    @property
    def _told_start(self) -> int:
        return int(self.details.get("startedAt") or 0)

    @property
    def task_id(self) -> str | None:
        return self.input.get("taskId") if self.type == RUN_TASK else None


def timeline(activities: Iterable[ActivityRun], result: ExecutionResult, ended: int | None) -> list[Stretch]:
    """The stretches in order of their beginnings; `ended`: of the execution, None while it goes on."""
    runs = list(activities)
    of_tasks: dict[str, list[ActivityRun]] = {}
    for run in runs:
        if run.task_id is not None:
            of_tasks.setdefault(run.task_id, []).append(run)
    found = [_worked(run) for run in runs if not run.waits]
    found += _questions(result, ended)
    for attempts in of_tasks.values():
        found += _between(attempts, ended)
    found += _for_files(result, of_tasks)
    return sorted(found, key=lambda each: each["start"])


def stretch(lane: str, what: str, start: int, end: int | None, **more: Any) -> Stretch:
    """A stretch without what is not given."""
    none: dict[str, Any] = {"taskId": None, "agentId": None, "attempt": None, "rateLimitMs": 0, "resourcesMs": 0}
    found: Any = {"lane": lane, "what": what, **none, "start": start, "end": end, **more}
    made: Stretch = found
    return made


def _worked(run: ActivityRun) -> Stretch:
    if run.task_id is None:
        return stretch("epw", run.type, run.began, run.ended)
    return stretch(
        "agent",
        run.outcome,
        run.began,
        run.worked_until,
        taskId=run.task_id,
        agentId=run.input.get("agentId"),
        attempt=run.input.get("attempt"),
        rateLimitMs=run.details.get("limitedMs") or 0,
        resourcesMs=run.details.get("crowdedMs") or 0,
    )


def _questions(result: ExecutionResult, ended: int | None) -> Iterator[Stretch]:
    ends = {row["taskId"]: row["finishedAt"] for row in result["results"]}
    for each in result["questions"]:
        until = each["answeredAt"]
        if until is None and (gone := ends.get(each["taskId"])) is not None and gone >= each["askedAt"]:
            until = gone
        yield stretch("wait", "question", each["askedAt"], until or ended, taskId=each["taskId"])


def _between(attempts: Sequence[ActivityRun], ended: int | None) -> Iterator[Stretch]:
    """Waits of a task for the end of a usage limit, and for a worker of its host."""
    for run, following in zip(attempts, [*attempts[1:], None], strict=True):
        if run.waits:
            yield stretch("wait", "host", run.scheduled, ended, taskId=run.task_id)
        elif since := run.details.get("awayFrom"):
            yield stretch("wait", "host", since, run.details["awayUntil"], taskId=run.task_id)
        elif run.runs == 1 and run.started is not None and run.started - run.scheduled > NO_WORKER_MS:
            yield stretch("wait", "host", run.scheduled, run.started, taskId=run.task_id)
        if run.outcome in _LIMITED and run.ended is not None:
            limits = [following.scheduled if following is not None else ended, run.details.get("until")]
            known = [each for each in limits if each is not None]
            yield stretch("wait", "usageLimit", run.ended, min(known) if known else None, taskId=run.task_id)


def _for_files(result: ExecutionResult, of_tasks: dict[str, list[ActivityRun]]) -> Iterator[Stretch]:
    """Waits for files that other tasks held: they end as the task starts, where it has started once."""
    for row in result["results"]:
        waited, runs = row["waitedMs"]["files"], of_tasks.get(row["taskId"], [])
        if waited and len(runs) == 1:
            end = runs[0].scheduled
            yield stretch("wait", "files", end - waited, end, taskId=row["taskId"])
