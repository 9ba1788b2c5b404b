"""One attempt of a task: directory, agent, checks, heartbeats, saved change."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Mapping
from pathlib import Path

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.agents.base import Agent, Completed, Work
from activities.agents.command import ended, last_output, run_shell
from activities.attempt import AttemptDirectory
from activities.execution import Execution
from activities.furnish import furnish
from activities.heartbeat import Heartbeat, in_thread
from activities.limits.processes import end_marked
from activities.plans import PlanSource, Running
from activities.record import AttemptRecord
from workflows.errors import GitError, TaskFailed
from workflows.globs import matches
from workflows.messages import RUN_TASK, AgentProgress, Failure, Question, TaskOutcome, TaskRun

Ending = Completed | Question | TaskFailed

_MOST_UNDECLARED = 10
_SUMMARY_LIMIT = 500


class TaskRunner:
    """The activity `run_task`, with the agents it may use."""

    def __init__(self, home: Path, plans: PlanSource, agents: Mapping[str, Agent]) -> None:
        self._home = home
        self._plans = plans
        self._agents = agents

    @activity.defn(name=RUN_TASK)
    async def run_task(self, run: TaskRun) -> TaskOutcome:
        """Run an attempt to its end; done again after a lost worker, it finds what was already saved.

        Raises an `ApplicationError` of type `AgentFailed` that carries the outcome where the agent failed.
        """
        info = activity.info()
        execution = Execution(self._home, info.workflow_id or "", info.workflow_run_id or "")
        directory = AttemptDirectory(execution, run, info.attempt)
        outcome = directory.outcome() if info.attempt > 1 else None
        if outcome is None:
            running = await self._plans.of_current_execution()
            if info.attempt > 1:
                # The lost worker's agent may still write, and spend.
                await in_thread(end_marked, execution.attempt_key(run.task_id))
            outcome = await self._attempt(directory, running)
        if outcome.kind == "failed" and outcome.failure is not None:
            message = f"{outcome.failure.type}: {outcome.failure.message}"
            raise ApplicationError(
                message,
                outcome,
                type="AgentFailed",
                non_retryable=True,
                # The SDK logs a stack trace for other categories; this is no fault of the worker's.
                category=ApplicationErrorCategory.BENIGN,
            )
        return outcome

    async def _attempt(self, directory: AttemptDirectory, running: Running) -> TaskOutcome:
        run, plan, task = directory.run, running.plan, running.tasks[directory.run.task_id]
        name = plan.agent_of(task)
        agent = self._agents[name]
        started, clock = time.time(), time.perf_counter()
        uses_files = agent.needs_directory(task) or bool(task.verify)
        progress = AgentProgress(
            task_id=task.id, agent_id=run.agent_id, simulated=agent.simulated, directory=directory.key
        )
        heartbeat = Heartbeat(progress)
        work = directory.work(running, task, heartbeat.report)
        with AttemptRecord.kept(self._home, directory.marker):
            async with heartbeat.beating():
                try:
                    ending = await _execute(agent, work, directory if uses_files else None)
                except asyncio.CancelledError:
                    if activity.is_worker_shutdown():
                        # Handed over: Temporal gives the attempt to another worker at once.
                        raise ApplicationError("the worker is shutting down", type="WorkerShutdown") from None
                    await in_thread(directory.save, int(started))
                    await in_thread(directory.remove)
                    raise
                commit, paths = None, list[str]()
                if uses_files:
                    ending, commit, paths = await in_thread(_saved, directory, int(started), ending)
                outcome = _outcome(ending, directory, commit).model_copy(
                    update={
                        "files_changed": len(paths),
                        "undeclared": _undeclared(task.files, paths),
                        "started_at": int(started * 1000),
                        "duration_ms": round((time.perf_counter() - clock) * 1000),
                        "sandbox": None if agent.simulated else work.sandbox,
                        "simulated": agent.simulated,
                    }
                )
                directory.keep_outcome(outcome)
                if uses_files and outcome.kind != "question":
                    await in_thread(directory.remove)
        return outcome


async def _execute(agent: Agent, work: Work, directory: AttemptDirectory | None) -> Ending:
    """The agent's end, judged by the task's own check."""
    try:
        if directory is not None:
            await furnish(directory, work)
        ending = await agent.execute(work)
        if isinstance(ending, Completed) and work.task.verify:
            code = await run_shell(work, work.task.verify)
            if code != 0:
                return TaskFailed("VerifyFailed", f"verify {ended(code)}{last_output(work)}")
        return ending
    except TaskFailed as error:
        return error


def _saved(directory: AttemptDirectory, at: int, ending: Ending) -> tuple[Ending, str | None, list[str]]:
    """The ending with its saved change; work that cannot be saved has failed and is not redone for ever."""
    try:
        return ending, *directory.save(at)
    except (GitError, OSError) as error:
        full = (isinstance(error, OSError) and error.errno == errno.ENOSPC) or "No space left" in str(error)
        return TaskFailed("DiskFull" if full else "SaveFailed", str(error)), None, []


def _outcome(ending: Ending, directory: AttemptDirectory, commit: str | None) -> TaskOutcome:
    if isinstance(ending, Question):
        return TaskOutcome(kind="question", question=ending, saved=directory.saved(commit), commit=commit)
    if isinstance(ending, TaskFailed):
        failure = Failure(type=ending.type, message=str(ending)[:1000])
        return TaskOutcome(kind="failed", failure=failure, commit=commit)
    summary = ending.summary[:_SUMMARY_LIMIT] if ending.summary else None
    return TaskOutcome(kind="completed", summary=summary, usage=ending.usage, commit=commit)


def _undeclared(files: list[str], paths: list[str]) -> list[str]:
    if not files:
        return []
    outside = [path for path in paths if not any(matches(pattern, path) for pattern in files)]
    return outside[:_MOST_UNDECLARED]
