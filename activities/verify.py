"""Verify: the plan's command on a merged tree, by the agents' launcher."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from pathlib import Path

from temporalio import activity

from activities.agents.command import ended, last_output, run_shell
from activities.attempt.containment import contained
from activities.attempt.directory import AttemptDirectory
from activities.attempt.setup import furnish
from activities.processes.process_tree import end_marked
from activities.sandbox.levels import level
from activities.state.activity_scope import activity_scope, current_execution
from activities.state.heartbeat import Heartbeat
from activities.state.plan_source import PlanSource
from activities.system.concurrency import in_thread
from activities.system.failpoints import failpoint
from epw.core.errors import TaskFailed
from epw.core.landing import Verified, VerifyRequest
from epw.core.messages import VERIFY, AgentProgress, TaskRun
from epw.core.plan.model import Task


class Verifier:
    def __init__(self, home: Path, plans: PlanSource) -> None:
        self._home = home
        self._plans = plans

    @activity.defn(name=VERIFY)
    async def verify(self, request: VerifyRequest) -> Verified:
        """Green: the command ended with 0 on a fresh checkout of the commit, furnished as for an agent."""
        execution, tries = current_execution(self._home, request), activity.info().attempt
        running = await self._plans.of_current_execution()
        name = f"verify {request.commit[:12]}"
        run = TaskRun(task_id=name, attempt=1, agent_id="verify", hub=request.hub, base=request.commit)
        directory = AttemptDirectory(execution, run, tries)
        heartbeat = Heartbeat(AgentProgress(task_id=name, agent_id="verify", operation=request.label))
        command = running.plan.verify or ""
        task = Task(id=name, description=request.label, run=command)
        work = directory.work(running, task, heartbeat)
        clock = time.perf_counter()
        if tries > 1:
            await in_thread(partial(end_marked, execution.attempt_key(name), forget=True))
        # It runs what the agents have written.
        work = replace(work, sandbox=level(running.plan, "claude" if running.plan.has_models else "command"))
        async with activity_scope(self._home, directory.marker, heartbeat), contained(work) as work:
            code, output = None, ""
            try:
                await furnish(directory, work)
                failpoint("verify.furnished")
                code = await run_shell(work, command)
                failpoint("verify.ran")
                output = last_output(work)
                message = "" if code == 0 else f"{ended(code)}{output}"
            except TaskFailed as error:
                message = str(error)
            finally:
                await in_thread(directory.remove)
        spent = round((time.perf_counter() - clock) * 1000)
        return Verified(
            green=not message, message=message[:1000], exit_code=code, output=output[-1000:], duration_ms=spent
        )
