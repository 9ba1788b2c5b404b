"""Verify: run the plan's command on a merged tree, contained like an agent."""

from __future__ import annotations

import time
from functools import partial

from temporalio import activity

from activities.attempt.attempt import Attempt
from activities.attempt.containment import contained
from activities.attempt.setup import set_up_directory
from activities.attempt.without_agent import directory_without_agent
from activities.processes.host_monitor import HostMonitor
from activities.processes.process_tree import end_marked
from activities.processes.shell import describe_exit, last_output, run_shell
from activities.state.activity_scope import activity_scope, current_execution
from activities.state.cancellation import refuse_cancelled
from activities.state.heartbeat import Heartbeat
from activities.state.plan_source import PlanSource
from activities.state.state_directory import StateDirectory
from activities.system.concurrency import in_thread
from activities.system.failpoints import failpoint
from epw.core.backends import COMMAND
from epw.core.errors import TaskFailed
from epw.core.landing import Verified, VerifyRequest
from epw.core.messages import VERIFY, AgentProgress
from epw.core.plan.model import Task

_MAX_SHOWN = 100
"""So much of the command is quoted in its failure."""


class Verifier:
    """The activity `verify`."""

    def __init__(self, state: StateDirectory, plans: PlanSource, host: HostMonitor) -> None:
        self._state = state
        self._plans = plans
        self._host = host

    @activity.defn(name=VERIFY)
    async def verify(self, request: VerifyRequest) -> Verified:
        """Run the command on a fresh checkout of the commit, set up as for an agent; green: it ended with 0."""
        execution, activity_attempt = current_execution(self._state, request), activity.info().attempt
        running = await self._plans.of_current_execution()
        name = f"verify {request.commit[:12]}"
        directory = directory_without_agent(
            execution, name, "verify", activity_attempt, hub=request.hub, base=request.commit
        )
        heartbeat = Heartbeat(AgentProgress(task_id=name, agent_id="verify", operation=request.label))
        command = running.plan.verify or ""
        task = Task(id=name, description=request.label, agent=COMMAND.name, run=command)
        spent = 0
        if activity_attempt > 1:
            await in_thread(partial(end_marked, execution.attempt_key(name), forget=True))
        await refuse_cancelled()
        # The command runs what the agents have written.
        attempt = Attempt.of(directory, running, task, heartbeat, self._host, running.plan.default_sandbox)
        async with activity_scope(self._state, directory.marker, heartbeat), contained(attempt) as attempt:
            code, output = None, ""
            try:
                await set_up_directory(attempt)
                failpoint("verify.set-up")
                clock = time.perf_counter()
                code = await run_shell(attempt.launcher, command)
                spent = round((time.perf_counter() - clock) * 1000)
                failpoint("verify.ran")
                output = last_output(attempt.launcher, attempt.reporter.redact)
                shown = " ".join(command.split())[:_MAX_SHOWN]
                message = "" if code == 0 else f"`{shown}` {describe_exit(code)}{output}"
            except TaskFailed as error:
                message = str(error)
            finally:
                await in_thread(directory.remove)
        return Verified(
            green=not message, message=message[:1000], exit_code=code, output=output[-1000:], duration_ms=spent
        )
