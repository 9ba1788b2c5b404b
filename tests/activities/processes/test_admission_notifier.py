"""What a worker tells an execution of its attempts that wait: which they are, and which have what they wait for."""

from __future__ import annotations

import asyncio

from activities.processes.admission_notifier import AdmissionNotifier
from epw.core.execution.reported_waits import RESOURCES, ReportedWaits
from epw.core.execution.state import ExecutionState
from epw.core.plan.requests import InLine
from epw.core.plan.validate import read_plan
from epw.core.report.waits import wait_of


async def test_the_execution_is_told_which_of_its_attempts_have_what_the_others_wait_for() -> None:
    told, arrived = list[InLine](), asyncio.Event()

    async def notify(workflow_id: str, run_id: str, message: InLine) -> None:
        told.append(message)
        arrived.set()

    notifier = AdmissionNotifier(notify, first_seconds=0)
    with notifier.holding("w", "r", "ended"):
        pass
    holds, foreign = notifier.holding("w", "r", "holds"), notifier.holding("w", "another run", "foreign")
    with holds, foreign, notifier.queued("w", "r", "waits"):
        await asyncio.wait_for(arrived.wait(), 10)
    assert (told[0].tasks, told[0].holders) == (["waits"], ["holds"])


def test_a_task_waits_for_those_that_have_the_resources_and_for_no_other_that_runs() -> None:
    tasks = [{"id": each, "description": "d", "run": "true"} for each in ("waits", "holds", "asks", "gone")]
    execution = ExecutionState(read_plan({"maxAgents": 4, "tasks": tasks}))
    list(execution.starts(0))
    ReportedWaits(execution, RESOURCES).report("worker", ["waits"], 10, ["holds", "gone", "of an earlier plan"])
    execution.move("gone", "waiting", "question", 20)
    assert wait_of(execution.tasks["waits"], execution) == {"waitingFor": "resources", "waitingOn": ["holds"]}
