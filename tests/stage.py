"""Executions whose activities are scripted: attempts end when a test says so, changes land without git."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NoReturn

from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from epw.core import failures
from epw.core.execution.delivery import CleanUpRequest, DeliverRequest, Delivery, RollBackRequest
from epw.core.landing import ConflictFound, Landed, Landing, LandRequest
from epw.core.messages import (
    CLEAN_UP,
    DELIVER,
    LAND,
    PREPARE,
    ROLL_BACK,
    RUN_TASK,
    WORKFLOW_TYPE,
    Failure,
    Prepared,
    PrepareRequest,
    Question,
    Saved,
    TaskOutcome,
    TaskRun,
    Usage,
)
from epw.core.report.history import whole
from epw.core.report.model import ExecutionResult
from epw.core.telling import TELL, TellRequest
from tests.support import suppress_cancelled
from workflows.execute_parallel import ExecuteParallelWorkflow

_HEARTBEAT_SECONDS = 0.03
BASE = "base"


@dataclass
class Stage:
    """The activities of executions. The head is the text `base+A+B`: the changes in it, by their commits."""

    client: Client
    queue: str = field(default_factory=lambda: f"queue-{uuid.uuid4().hex}")
    starts: list[TaskRun] = field(default_factory=list)
    landings: list[LandRequest] = field(default_factory=list)
    conflicting: dict[str, int] = field(default_factory=dict)
    """How often the change of a task does not merge, by task id."""
    may_land: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared: landings do not end."""
    may_deliver: asyncio.Event = field(default_factory=asyncio.Event)
    may_stop: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared: attempts that are cancelled do not end."""
    stopping: bool = False
    """Whether an attempt has been cancelled."""
    delivering: bool = False
    ends_in_spite: bool = False
    """Whether an attempt that is cancelled has just been done."""
    delivered: str | None = None
    told: list[tuple[str, int, str]] = field(default_factory=list)
    """Messages that were handed over: task, number, text."""
    _running: dict[str, asyncio.Future[TaskOutcome]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.may_land.set()
        self.may_stop.set()
        self.may_deliver.set()

    @asynccontextmanager
    async def working(self) -> AsyncIterator[Stage]:
        """A worker while the block runs."""
        scripted: list[Any] = [
            self.prepare,
            self.run_task,
            self.tell,
            self.land,
            self.deliver,
            self.clean_up,
            self.roll_back,
        ]
        fast = timedelta(seconds=_HEARTBEAT_SECONDS)
        async with Worker(
            self.client,
            task_queue=self.queue,
            workflows=[ExecuteParallelWorkflow],
            activities=scripted,
            max_heartbeat_throttle_interval=fast,
            default_heartbeat_throttle_interval=fast,
        ):
            yield self

    async def start(self, plan: dict[str, Any]) -> WorkflowHandle[Any, Any]:
        identifier = f"staged-{uuid.uuid4().hex[:12]}"
        return await self.client.start_workflow(WORKFLOW_TYPE, plan, id=identifier, task_queue=self.queue)

    @property
    def running(self) -> list[str]:
        """Ids of the tasks whose attempts are under way."""
        return [task_id for task_id, ending in self._running.items() if not ending.done()]

    def started(self, task_id: str) -> int:
        return sum(run.task_id == task_id for run in self.starts)

    async def end(self, task_id: str, kind: str = "completed", **outcome: Any) -> None:
        """End the attempt of a task, once it has begun; `kind`: see `TaskOutcome`, or `failed`."""
        async with asyncio.timeout(20):
            while task_id not in self.running:  # noqa: ASYNC110 (the activity begins in its own time)
                await asyncio.sleep(0.01)
        self._running[task_id].set_result(TaskOutcome.model_validate({"kind": kind, "duration_ms": 10, **outcome}))

    async def ask(self, task_id: str) -> None:
        await self.end(task_id, "question", question=Question(text="which?"), saved=Saved(directory="1.0.1"))

    async def spend(self, task_id: str, cost: float, kind: str = "completed") -> None:
        await self.end(task_id, kind, usage=Usage(requests=1, cost_usd=cost), failure=_failure(kind))

    @activity.defn(name=PREPARE)
    async def prepare(self, request: PrepareRequest) -> Prepared:
        hub: dict[str, Any] = {"hub": "/hub", "base": BASE, "deliver": "branch"} if request.has_workspace else {}
        return Prepared(task_queue=self.queue, model="a-model", **hub)

    @activity.defn(name=RUN_TASK)
    async def run_task(self, run: TaskRun) -> TaskOutcome:
        ending = self._running[run.task_id] = asyncio.get_running_loop().create_future()
        self.starts.append(run)
        commit = f"{run.task_id}@{run.attempt}.{run.round}" if run.base else None
        try:
            while not (await asyncio.wait([ending], timeout=_HEARTBEAT_SECONDS))[0]:
                activity.heartbeat(run.task_id)
        except asyncio.CancelledError:
            ending.cancel()
            self.stopping = True
            await self.may_stop.wait()
            if self.ends_in_spite:
                return TaskOutcome(kind="completed", commit=commit, duration_ms=5)
            stopped = Failure.of(failures.CANCELLED, "stopped before it was done")
            _fail(TaskOutcome(kind="failed", commit=commit, failure=stopped, duration_ms=5))
        outcome: TaskOutcome = ending.result().model_copy(update={"commit": commit})
        if outcome.kind == "failed":
            _fail(outcome)
        return outcome

    @activity.defn(name=TELL)
    async def tell(self, request: TellRequest) -> bool:
        self.told.append((request.task_id, request.number, request.text))
        return request.task_id in self.running

    @activity.defn(name=LAND)
    async def land(self, request: LandRequest) -> Landed:
        self.landings.append(request)
        while not self.may_land.is_set():
            activity.heartbeat()
            await asyncio.sleep(_HEARTBEAT_SECONDS)
        head, rows = request.head, list[Landing]()
        for change in request.changes:
            conflict = None
            if self.conflicting.get(change.task_id, 0) > 0:
                self.conflicting[change.task_id] -= 1
                others = [each.split("@")[0] for each in head.split("+")[1:]]
                tasks = [change.task_id, *others][:2]
                conflict = ConflictFound(
                    kind="lines", tasks=tasks, paths=["x"], description="x", commit=change.commit or None
                )
            elif change.commit:
                head = f"{head}+{change.commit}"
            rows.append(Landing(task_id=change.task_id, head=head, conflict=conflict))
        return Landed(head=head, rows=rows)

    @activity.defn(name=DELIVER)
    async def deliver(self, request: DeliverRequest) -> Delivery:
        self.delivering = True
        while not self.may_deliver.is_set():
            activity.heartbeat()
            await asyncio.sleep(_HEARTBEAT_SECONDS)
        self.delivered = request.head
        return Delivery(mode=request.mode, base=request.base, head=request.head, branch=request.branch)

    @activity.defn(name=CLEAN_UP)
    async def clean_up(self, request: CleanUpRequest) -> None:
        pass

    @activity.defn(name=ROLL_BACK)
    async def roll_back(self, request: RollBackRequest) -> None:
        self.delivered = None


def commits_in(head: str | None) -> list[str]:
    """The tasks whose changes are in a head, in landing order."""
    return [commit.split("@")[0] for commit in (head or BASE).split("+")[1:]]


async def result_of(handle: WorkflowHandle[Any, Any]) -> ExecutionResult:
    """The document, without what the hub holds. A query that comes as the workflow closes can be lost."""
    described = await handle.describe()
    while True:
        with suppress_cancelled():
            return whole(await handle.query("results"), described.run_id)


def _failure(kind: str) -> Failure | None:
    return Failure.of(failures.BUDGET_LIMIT, "it is spent") if kind == "budget-limit" else None


def _fail(outcome: TaskOutcome) -> NoReturn:
    raise ApplicationError("failed", outcome, type=failures.AGENT_FAILED.type, non_retryable=True)
