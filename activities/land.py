"""Land: merge finished changes into the execution's head, one after the other, in the hub."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from temporalio import activity

from activities.checkers.landing_checks import LandingChecks
from activities.checkers.misfits import Misfits
from activities.conflicts.hazards import TaskReads, hazards
from activities.conflicts.recorded import ConflictRecorder
from activities.conflicts.textual.encoded_files import FilterDrivers
from activities.conflicts.try_check import try_check
from activities.landing.merger import Merger
from activities.landing.trial import Trial, must_be_verified
from activities.state.activity_scope import activity_scope, current_execution, not_retried
from activities.state.execution_store import ExecutionStore
from activities.state.fence import check_fence, fencing_token
from activities.state.plan_source import PlanSource
from activities.state.state_directory import StateDirectory
from activities.system.concurrency import in_thread
from activities.system.failpoints import failpoint
from epw.core.errors import Fenced
from epw.core.landing import Landed, LandRequest
from epw.core.messages import LAND
from epw.core.plan.model import Task

_MAX_HAZARDS = 20


class Lander:
    """The activity `land`."""

    def __init__(self, state: StateDirectory, plans: PlanSource) -> None:
        self._state = state
        self._plans = plans

    @activity.defn(name=LAND)
    async def land(self, request: LandRequest) -> Landed:
        """Merge each change; one that conflicts is left out and recorded. A repeated landing makes the same head.

        Raises `Fenced`, not retried, where another run of the execution has moved the head.
        """
        execution = current_execution(self._state, request)
        try:
            async with activity_scope(self._state, execution.key + "/land"):
                check_fence(execution, LAND, fencing_token())
                running = await self._plans.of_current_execution()
                checks = LandingChecks.of(running.plan, execution) if request.checks else LandingChecks()
                landed: Landed = await in_thread(
                    land_changes, execution, request, running.tasks, running.plan.relock, checks
                )
        except Fenced as error:
            raise not_retried(error) from None
        return landed


def land_changes(
    execution: ExecutionStore,
    request: LandRequest,
    tasks: Mapping[str, Task],
    relock: Collection[str] = (),
    checks: LandingChecks | None = None,
) -> Landed:
    """Merge the changes and move the head's ref; `relock`: patterns of generated files. Blocking."""
    with execution.hub_at(request.hub).in_use():
        return _land(execution, request, tasks, relock, checks)


def _land(
    execution: ExecutionStore,
    request: LandRequest,
    tasks: Mapping[str, Task],
    relock: Collection[str],
    checks: LandingChecks | None,
) -> Landed:
    hub, head, rows, hazards_left = execution.hub_at(request.hub), request.head, [], _MAX_HAZARDS
    workspace, drivers = execution.workspace(), FilterDrivers.of(execution, hub)
    recorder = ConflictRecorder(hub, execution, workspace)
    checks = checks or LandingChecks()
    misfits = Misfits(hub, recorder, checks)
    merger = Merger(hub, execution, workspace, request.at, relock, drivers, recorder, checks, misfits)
    reads = TaskReads(tasks, execution.reads)
    has_reads = execution.has_reads() or any(task.reads for task in tasks.values())
    trial = Trial(merger, verifies=request.verifies)
    for change in request.changes:
        alone = request.detached or change.detached
        if change.waits and request.tries:
            trial.add(change)
            continue
        row = merger.pick(head, change) if alone else merger.merge(head, change)
        if has_reads and hazards_left > 0 and row.conflict is None and not alone:
            found = try_check(hazards, hub, reads, change.task_id, change.commit, head)[:hazards_left]
            row = row.model_copy(update={"hazards": [*row.hazards, *found]})
            hazards_left -= len(found)
        to_verify = request.verifies and must_be_verified(hub, head, change, row)
        if request.tries_first and (row.to_check or to_verify):
            if request.tries:
                trial.add(change)
                continue
            row = row.model_copy(update={"head": head, "waits": True, "to_verify": to_verify, "merged": None})
        head = row.head
        rows.append(row)
        if (row.shared_with or change.earlier) and request.stop_at_shared_file and not request.tries_first:
            break
    head, tried = trial.rows(head)
    rows += tried
    for row in rows:
        if row.merged is not None:
            execution.keep_reachable(row.merged)
    failpoint("land.merged")
    hub.move_ref(execution.head_ref, head, request.expected or request.head)
    failpoint("land.moved")
    return Landed(head=head, rows=rows, has_trials=request.tries_first)
