"""What the server says of an execution: one description a look, and the results only where its history has grown.

So the number of requests does not depend on the number of agents. Looks become rarer while nothing changes.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from temporalio.client import WorkflowExecutionDescription, WorkflowHandle, WorkflowQueryFailedError
from temporalio.service import RPCError

from activities.state.execution_store import ExecutionStore
from activities.system.server_time import server_ms
from epw.cli.follow import OWN_WORKER
from epw.cli.live.snapshot import Snapshot
from epw.client.away import mark_away, not_taken, overdue, what_to_do
from epw.client.documents import describe, progress_of, results_so_far, short_results
from epw.client.pollers import is_to_be_cancelled, without_worker
from epw.client.so_far import estimates_of, numbers_so_far
from epw.client.started_plan import plan_of, with_added
from epw.core.errors import InvalidPlan
from epw.core.messages import AgentProgress
from epw.core.plan.graph import TaskGraph
from epw.core.plan.model import Plan
from epw.core.plan.validate import read_plan
from epw.core.report.eta import agents_now, eta_of
from epw.core.report.history import empty_row, whole
from epw.core.report.model import ExecutionResult
from epw.core.report.so_far import Eta
from epw.service.connection import Connection
from epw.settings import Settings

_MIN_SECONDS, _MAX_SECONDS, _SLOWER = 0.5, 3.0, 1.4
_REST_OF_QUERIES, _REST_OF_FORECASTS = 10, 60
"""How many times as long as a query, or a forecast, has taken there is none after it."""
_FORECAST_SECONDS = 5.0


class Feed:
    """Looks at one execution; `snapshot` is the newest."""

    def __init__(
        self, settings: Settings, connection: Connection, handle: WorkflowHandle[Any, Any], *, own_worker: bool = False
    ) -> None:
        """`own_worker`: the command has started one for it."""
        self._own_worker = own_worker
        self._worker_since: int | None = None if own_worker else 0
        """Since when a worker answers (epoch milliseconds), where the command has started one; None: not yet."""
        self._settings, self._connection, self._handle = settings, connection, handle
        self._started: dict[str, Any] | None = None
        self._plan: tuple[dict[str, Any], Plan | None, TaskGraph | None] = {}, None, None
        """With the tasks that were added."""
        self._document: ExecutionResult | None = None
        self._tasks = 0
        self._seen = -1, frozenset[bytes]()
        """Events of the history, and reports, at the last look."""
        self._length = -1
        """Events of the history that the document is of."""
        self._query_at = self._forecast_at = 0.0
        self._trouble = ""
        self._eta: Eta | None = None
        self._known: dict[bytes, AgentProgress] = {}
        self._cpu: dict[str, tuple[float, float, float]] = {}
        """Seconds of CPU, when they were read, and the percent since the time before, by task."""
        self.seconds = _MIN_SECONDS
        """How long to wait before the next look."""
        self.store: ExecutionStore | None = None
        """Files of the execution on this machine."""

    async def look(self) -> Snapshot:
        """The execution as it is now; raises `RPCError` where the server does not answer."""
        described = await describe(self._handle)
        self.store = ExecutionStore.of(self._settings.state, described)
        if self._started is None:
            self._started = await plan_of(self._connection, self._handle)
            self._plan = _read(self._started)
        trouble = ""
        if self._document is None or described.history_length != self._length:
            trouble = await self._ask(described)
        live = await progress_of(self._connection, described, self._known)
        document, (raw, plan, graph) = self._document or _unknown(described, self._plan[0]), self._plan
        if not trouble:
            untaken = await not_taken(self._connection, described)
            waiting = overdue(untaken, self._connection, self._worker_since)
            trouble = "; ".join(what_to_do(waiting, self._connection))
            if waiting:
                document = {**document, "results": [{**row} for row in document["results"]]}
                mark_away(document, waiting)
        await self._forecast(document, plan, graph, live)
        numbers = numbers_so_far(document, described.start_time.timestamp(), live, estimates_of(raw))
        if self._eta is not None:
            numbers["eta"] = self._eta
        before, self._seen = self._seen, (described.history_length, frozenset(self._known))
        is_stale = described.history_length != self._length and not trouble
        is_same = self._seen == before and not is_stale
        self.seconds = min(_MAX_SECONDS, self.seconds * _SLOWER) if is_same else _MIN_SECONDS
        at, limits = server_ms(), _budget(document, plan)
        agents = agents_now(plan, document["steering"]) if plan is not None else None
        return Snapshot(document, live, numbers, at, agents, *limits, cpu=self._percents(live), trouble=trouble)

    async def _ask(self, described: WorkflowExecutionDescription) -> str:
        """Ask the workflow for its results; why there are none, else nothing."""
        if time.monotonic() < self._query_at:
            return self._trouble
        began = time.monotonic()
        try:
            short = await short_results(self._handle)
        except RPCError:
            is_cancelled = is_to_be_cancelled(described)
            without = without_worker(self._handle.id, is_cancelled=is_cancelled)
            self._trouble = OWN_WORKER if self._own_worker else without
            return self._trouble
        except WorkflowQueryFailedError:
            return ""
        finally:
            took = time.monotonic() - began
            self._query_at = time.monotonic() + min(_MAX_SECONDS, _REST_OF_QUERIES * took)
        self._trouble = ""
        if self._worker_since is None:
            self._worker_since = server_ms()
        self._document, self._length = results_so_far(self._settings, short, described), described.history_length
        if self._started is not None and len(now := with_added(self._started, short)["tasks"]) != self._tasks:
            self._plan, self._tasks = _read({**self._started, "tasks": now}), len(now)
        self._forecast_at = min(self._forecast_at, time.monotonic() + _MIN_SECONDS)
        return ""

    async def _forecast(
        self, document: ExecutionResult, plan: Plan | None, graph: TaskGraph | None, live: dict[str, AgentProgress]
    ) -> None:
        if plan is None or graph is None or time.monotonic() < self._forecast_at:
            return
        began = time.monotonic()
        self._eta = await asyncio.to_thread(eta_of, document, plan, graph, live, server_ms())
        took = time.monotonic() - began
        self._forecast_at = time.monotonic() + max(_FORECAST_SECONDS, _REST_OF_FORECASTS * took)

    def _percents(self, live: dict[str, AgentProgress]) -> dict[str, float]:
        """Percent of a core that each agent has used since its report before the last one."""
        now = time.monotonic()
        for task, report in live.items():
            used, (before, at, percent) = report.cpu_seconds, self._cpu.get(task, (None, now, -1.0))
            if used is not None and used != before:
                since = now - at
                is_measured = before is not None and used > before and since > 0
                self._cpu[task] = (used, now, 100 * (used - before) / since if is_measured else percent)  # type: ignore[operator]
        self._cpu = {task: each for task, each in self._cpu.items() if task in live}
        return {task: percent for task, (_, _, percent) in self._cpu.items() if percent >= 0}


def _read(document: dict[str, Any]) -> tuple[dict[str, Any], Plan | None, TaskGraph | None]:
    try:
        plan = read_plan(document, runnable=False)
    except InvalidPlan:
        # It ends at once, or is of another version of the program.
        return document, None, None
    return document, plan, TaskGraph.of_plan(plan)


def _unknown(described: WorkflowExecutionDescription, plan: dict[str, Any]) -> ExecutionResult:
    """The document of an execution of which nothing is known but its plan."""
    rows = [empty_row(str(task["id"])) for task in plan.get("tasks", []) if isinstance(task, dict) and "id" in task]
    short = {"status": "running", "executionId": described.id, "results": []}
    found = whole(short, described.run_id)
    found["results"] = rows
    return found


def _budget(document: ExecutionResult, plan: Plan | None) -> tuple[float | None, int | None]:
    """Dollars and tokens that the execution may use: the plan's, or what a person has set since."""
    given = plan.constraints.budget if plan is not None else None
    cost, tokens = (given.max_cost_usd, given.max_tokens) if given is not None else (None, None)
    for entry in document["steering"]:
        cost = entry["request"].get("maxCostUSD") or cost
        tokens = entry["request"].get("maxTokens") or tokens
    return cost, tokens
