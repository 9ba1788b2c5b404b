"""Verify: the plan's command on a merged tree, by the agents' launcher."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.agents.command import ended, last_output, run_shell
from activities.attempt import AttemptDirectory
from activities.execution import Execution
from activities.furnish import furnish
from activities.heartbeat import Heartbeat, in_thread
from activities.limits.processes import end_marked
from activities.plans import PlanSource
from activities.record import AttemptRecord
from workflows.errors import TaskFailed
from workflows.messages import VERIFY, AgentProgress, TaskRun, Verified, VerifyRequest
from workflows.plan import Task


class Verifier:
    def __init__(self, home: Path, plans: PlanSource) -> None:
        self._home = home
        self._plans = plans

    @activity.defn(name=VERIFY)
    async def verify(self, request: VerifyRequest) -> Verified:
        """Green: the command ended with 0 on a fresh checkout of the commit, furnished as for an agent."""
        info = activity.info()
        execution = Execution(self._home, info.workflow_id or "", info.workflow_run_id or "")
        running = await self._plans.of_current_execution()
        plan, name = running.plan, f"verify {request.commit[:12]}"
        run = TaskRun(task_id=name, attempt=1, agent_id="verify", hub=request.hub, base=request.commit)
        directory = AttemptDirectory(execution, run, info.attempt)
        heartbeat = Heartbeat(AgentProgress(task_id=name, agent_id="verify", operation=request.label))
        task = Task(id=name, description=request.label, run=plan.verify)
        work = directory.work(running, task, heartbeat.report)
        clock = time.perf_counter()
        if info.attempt > 1:
            await in_thread(end_marked, directory.marker)
        with AttemptRecord.kept(self._home, directory.marker):
            async with heartbeat.beating():
                try:
                    await furnish(directory, work)
                    code = await run_shell(work, plan.verify or "")
                    message = "" if code == 0 else f"{ended(code)}{last_output(work)}"
                except TaskFailed as error:
                    message = str(error)
                except asyncio.CancelledError:
                    if activity.is_worker_shutdown():
                        raise ApplicationError("the worker is shutting down", type="WorkerShutdown") from None
                    raise
                finally:
                    await in_thread(directory.remove)
        spent = round((time.perf_counter() - clock) * 1000)
        return Verified(green=not message, message=message[:1000], duration_ms=spent)
