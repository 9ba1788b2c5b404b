"""Plan of an execution, read from its start event: activities do not get copies, so the history holds it once."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from temporalio import activity

from activities.system.async_lazy import AsyncLazy
from epw.core.execution.strategy import STRATEGIES, Strategy
from epw.core.plan.model import Plan, Task
from epw.core.plan.validate import read_plan
from epw.core.redrive import Redrive

_MAX_CACHED = 32


@dataclass(frozen=True)
class RunningPlan:
    """A plan with its tasks by id."""

    plan: Plan
    tasks: dict[str, Task]
    redrive: Redrive | None = None

    @classmethod
    def of(cls, document: Any, redrive: Any = None) -> RunningPlan:
        plan = read_plan(document)
        earlier = Redrive.model_validate(redrive) if redrive is not None else None
        return cls(plan, {task.id: task for task in plan.tasks}, earlier)

    @property
    def strategy(self) -> Strategy:
        return STRATEGIES[self.plan.strategy]


class PlanSource(Protocol):
    """Source of the plan of an activity's execution."""

    def begin(self) -> None:
        """Start reading the plan of the execution whose activity is running."""
        ...

    async def of_current_execution(self) -> RunningPlan:
        """The plan of the execution whose activity is running."""
        ...


class StartEvent:
    """Reads the first event of an execution from Temporal, once per worker and execution."""

    def __init__(self) -> None:
        self._plans: OrderedDict[str, AsyncLazy[RunningPlan]] = OrderedDict()

    def begin(self) -> None:
        self._of_current_execution().begin()

    async def of_current_execution(self) -> RunningPlan:
        return await self._of_current_execution().get()

    def _of_current_execution(self) -> AsyncLazy[RunningPlan]:
        info = activity.info()
        run_id = info.workflow_run_id or ""
        reading = self._plans.setdefault(run_id, AsyncLazy(partial(_fetch, info.workflow_id or "", run_id)))
        while len(self._plans) > _MAX_CACHED:
            self._plans.popitem(last=False)
        return reading


async def _fetch(workflow_id: str, run_id: str) -> RunningPlan:
    client = activity.client()
    handle = client.get_workflow_handle(workflow_id, run_id=run_id)
    async for event in handle.fetch_history_events(page_size=1):
        payloads = event.workflow_execution_started_event_attributes.input.payloads
        return RunningPlan.of(*await client.data_converter.decode(payloads[:2]))
    raise LookupError(f"{workflow_id} has no start event")
