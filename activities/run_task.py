"""One attempt of a task: admit, set up the directory, run the agent, check, save, report."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.agents.base import Agent, AgentOutcome, Completed
from activities.attempt.attempt import Attempt
from activities.attempt.conflict_monitor import conflict_monitor
from activities.attempt.containment import contained
from activities.attempt.directory import AttemptDirectory
from activities.attempt.limits import within_limits
from activities.attempt.logins import logged_in
from activities.attempt.merge_check import check_merged
from activities.attempt.outcome import outcome_of
from activities.attempt.saving import save_change
from activities.attempt.setup import set_up_directory
from activities.attempt.unsaved import remove_attempt
from activities.checkers.early_checks import EarlyChecks
from activities.notices.budget_watch import budget_watched
from activities.processes.admission import Admission, capacity_left
from activities.processes.admission_notifier import AdmissionNotifier, Notify
from activities.processes.host_monitor import HostMonitor
from activities.processes.process_tree import ProcessTree, end_marked, has_no_processes
from activities.processes.shell import describe_exit, last_output, printed_so_far, run_shell
from activities.processes.slots import Slots
from activities.state.activity_scope import activity_scope, current_execution
from activities.state.cancellation import away, outcome_without_worker, was_cancelled
from activities.state.heartbeat import Heartbeat
from activities.state.plan_source import PlanSource, RunningPlan
from activities.state.state_directory import StateDirectory
from activities.system.concurrency import in_thread
from activities.system.failpoints import failpoint
from activities.system.server_time import server_time
from epw.core import failures
from epw.core.backends import COMMAND
from epw.core.errors import TaskFailed
from epw.core.execution.task_state import ended_at
from epw.core.globs import matches
from epw.core.messages import RUN_TASK, AgentProgress, TaskOutcome, TaskRun
from epw.core.plan.model import Task

_POOLED_SECONDS = 2.0
_WAITING = "waiting: resources (memory or disk of this machine)"
_WAITING_FOR_SLOT = "waiting: resources (a slot of this worker)"


class TaskRunner:
    """The activity `run_task`, with the agents of this worker by backend."""

    def __init__(
        self,
        state: StateDirectory,
        plans: PlanSource,
        agents: Mapping[str, Agent],
        notify: Notify,
        max_kept_bytes: int,
        host: HostMonitor,
        slots: Slots,
    ) -> None:
        self._state = state
        self._plans = plans
        self._agents = agents
        self._discarding: set[asyncio.Task[None]] = set()
        self._admission = Admission(partial(capacity_left, state.path))
        self._admission_notifier = AdmissionNotifier(notify)
        self._max_kept_bytes = max_kept_bytes
        self._host = host
        self._slots = slots

    @activity.defn(name=RUN_TASK)
    async def run_task(self, run: TaskRun) -> TaskOutcome:
        """Run an attempt to its end; after a lost worker, find the outcome that it saved, or run the attempt again.

        Raises an `ApplicationError` of type `AgentFailed` that carries the outcome where the agent failed.
        """
        directory = AttemptDirectory(current_execution(self._state, run), run, activity.info().attempt)
        kept = directory.outcome()
        without_worker = away(*_known(), ended_at(kept) if kept is not None else 0)
        outcome = (kept or await self._attempt(directory)).model_copy(update=without_worker)
        if outcome.kind == "failed" and outcome.failure is not None:
            message = f"{outcome.failure.type}: {outcome.failure.message}"
            raise ApplicationError(
                message,
                outcome,
                type=failures.AGENT_FAILED.type,
                non_retryable=True,
                # The SDK logs a stack trace for other categories; this is not an error of the worker.
                category=ApplicationErrorCategory.BENIGN,
            )
        return outcome

    async def _attempt(self, directory: AttemptDirectory) -> TaskOutcome:
        running = await self._plans.of_current_execution()
        await _end_earlier(directory)
        if await was_cancelled():
            return outcome_without_worker(*_known())
        task = _task(running, directory.run)
        agent = self._agents[running.plan.backend_of(task).name]
        describe = partial(_described, directory, running, task, agent, self._host)
        # Files and hubs are read for those alone: a thread would cost a short attempt more than all else.
        attempt = await in_thread(describe) if directory.run.base or directory.run.inputs else describe()
        started, clock, budget = server_time(), time.perf_counter(), running.plan.constraints.budget
        async with AsyncExitStack() as cleanup:
            if attempt.uses_files:
                cleanup.push_async_callback(in_thread, remove_attempt, directory)
            async with (
                activity_scope(self._state, directory.marker, attempt.reporter.heartbeat, directory.deaths),
                self._admitted(attempt) as attempt,
                budget_watched(directory.execution, running.plan, directory.run.budget or budget),
            ):
                with attempt.reporter.heartbeat.agent_running():
                    try:
                        ending = await within_limits(attempt, partial(_work, agent, attempt, running))
                    except asyncio.CancelledError:
                        ending = _cancelled(attempt, cleanup)
                    failpoint("run.ended")
                    saved = TaskOutcome(kind="completed")
                    if attempt.uses_files:
                        saved = await in_thread(save_change, attempt, ending, int(started), self._max_kept_bytes)
                    outcome = outcome_of(attempt, ending, saved, started, time.perf_counter() - clock)
                    failpoint("save.committed")
                    # A full disk only loses the record, not the answer to the server.
                    with contextlib.suppress(OSError):
                        if attempt.backend.simulated and not attempt.uses_files:
                            directory.keep_outcome(outcome, survives_power_loss=False)
                        else:
                            await in_thread(directory.keep_outcome, outcome)
                    failpoint("save.kept")
                if outcome.kind in ("question", "usage-limit", "budget-limit"):
                    cleanup.pop_all()
                elif outcome.kind == "completed" and attempt.uses_files:
                    await self._recycle(directory)
                    cleanup.pop_all()
        return outcome

    @asynccontextmanager
    async def _admitted(self, attempt: Attempt) -> AsyncIterator[Attempt]:
        """The attempt, contained, once it has a slot of this worker and the machine has room for it."""
        attempt.reporter.resource_wait.begin()
        async with self._slots.taken(partial(self._reported_wait, attempt, _WAITING_FOR_SLOT)):
            attempt.reporter.resource_wait.end()
            async with self._with_room(attempt) as attempt:
                with self._admission_notifier.holding(*_run_of_execution(), attempt.context.task.id):
                    yield attempt

    @asynccontextmanager
    async def _with_room(self, attempt: Attempt) -> AsyncIterator[Attempt]:
        """The attempt, contained, once the machine has room for it; one that starts no processes does not wait."""
        context, reporter, simulate = attempt.context, attempt.reporter, attempt.context.task.simulate
        if attempt.backend.simulated and not (simulate and (simulate.memory_mb or simulate.cpu_seconds)):
            yield attempt
        elif attempt.backend.simulated:
            async with contained(attempt) as attempt:
                yield attempt
        else:
            reporter.resource_wait.begin()
            declared = context.plan.limits_of(context.task)
            max_mb = attempt.bounds.memory_mb
            async with self._admission.admitted(
                declared, max_mb, partial(self._reported_wait, attempt, _WAITING)
            ) as admitted:
                reporter.resource_wait.end()
                async with contained(attempt) as attempt:
                    admitted.guard = attempt.launcher.guard
                    yield attempt

    @contextmanager
    def _reported_wait(self, attempt: Attempt, operation: str) -> Iterator[None]:
        """Report that the attempt waits for resources while the block runs."""
        attempt.reporter.report({"operation": operation})
        with self._admission_notifier.queued(*_run_of_execution(), attempt.context.task.id):
            yield
        attempt.reporter.report({"operation": None})

    async def _recycle(self, directory: AttemptDirectory) -> None:
        """Offer the directory to the next attempt, unless a process may still write into it."""
        if not ProcessTree.has_only_known_children() or not await in_thread(has_no_processes, directory.path):
            await in_thread(remove_attempt, directory)
            return
        pooled = await in_thread(directory.recycle)
        if pooled is not None:
            discarding = asyncio.create_task(_discard_later(directory, pooled))
            self._discarding.add(discarding)
            discarding.add_done_callback(self._discarding.discard)


async def _work(agent: Agent, attempt: Attempt, running: RunningPlan) -> AgentOutcome:
    """Set up the directory, run the agent, check its work; raises `TaskFailed`."""
    if attempt.uses_files:
        await set_up_directory(attempt)
        failpoint("run.set-up")
    async with logged_in(attempt) as with_logins:
        ending = await _run_agent(agent, with_logins, running)
    if isinstance(ending, Completed):
        await _check(attempt)
    return ending


async def _run_agent(agent: Agent, attempt: Attempt, running: RunningPlan) -> AgentOutcome:
    if not attempt.uses_files:
        return await agent.execute(attempt.context, attempt.launcher, attempt.reporter)
    async with conflict_monitor(attempt, EarlyChecks(attempt, running).read):
        return await agent.execute(attempt.context, attempt.launcher, attempt.reporter)


async def _check(attempt: Attempt) -> None:
    """Raises `TaskFailed` where the task's `verify` fails, or a merge is not finished."""
    if command := attempt.context.task.verify:
        before = printed_so_far(attempt.launcher)
        code = await run_shell(attempt.launcher, command)
        if code != 0:
            output = last_output(attempt.launcher, attempt.reporter.redact, before)
            raise TaskFailed(failures.VERIFY_FAILED, f"verify {describe_exit(code)}{output}", command=command)
    if attempt.uses_files and attempt.context.conflict is not None:
        await in_thread(check_merged, attempt)


def _described(
    directory: AttemptDirectory, running: RunningPlan, task: Task, agent: Agent, host: HostMonitor
) -> Attempt:
    backend, run = running.plan.backend_of(task), directory.run
    progress = AgentProgress(
        task_id=task.id, agent_id=run.agent_id, simulated=backend.simulated, directory=directory.key
    )
    # Commands that make files again run what models may have written.
    default_sandbox = running.plan.default_sandbox if run.dispute and run.dispute.relock else None
    uses_files = agent.needs_directory(task) or bool(task.verify)
    logins = running.plan.logins_of(task)
    heartbeat = Heartbeat(progress)
    return Attempt.of(directory, running, task, heartbeat, host, default_sandbox, uses_files=uses_files, logins=logins)


def _run_of_execution() -> tuple[str, str]:
    info = activity.info()
    return info.workflow_id or "", info.workflow_run_id or ""


def _known() -> tuple[Sequence[Any], int]:
    """What the attempt's last heartbeat has told, and when the attempt was scheduled (epoch milliseconds)."""
    info = activity.info()
    return info.heartbeat_details, round(info.scheduled_time.timestamp() * 1000)


def _task(running: RunningPlan, run: TaskRun) -> Task:
    """The task; where nothing but generated files conflicts, a command that makes them again."""
    task = Task.model_validate(run.task) if run.task is not None else running.tasks[run.task_id]
    paths = run.dispute.relock if run.dispute else []
    if not paths:
        return task
    commands = [
        command for pattern, command in running.plan.relock.items() if any(matches(pattern, path) for path in paths)
    ]
    update: dict[str, Any] = {"agent": COMMAND.name, "run": "\n".join(commands), "simulate": None, "files": []}
    return task.model_copy(update=update)


def _cancelled(attempt: Attempt, cleanup: AsyncExitStack) -> TaskFailed:
    """The failure of a task that a user or the workflow has cancelled; what it made and used is reported.

    Raises `CancelledError` where the worker stops: an agent that keeps state then goes on in the same directory.
    """
    details = activity.cancellation_details()
    if details is None or not details.cancel_requested:
        if attempt.backend.keeps_state and activity.is_worker_shutdown():
            cleanup.pop_all()
        raise asyncio.CancelledError
    return TaskFailed(failures.CANCELLED, "stopped before it was done")


async def _end_earlier(directory: AttemptDirectory) -> None:
    """End the processes of a lost worker's attempt, which would go on writing and spending."""
    if directory.activity_attempt > 1:
        key = directory.execution.attempt_key(directory.run.task_id)
        await in_thread(partial(end_marked, key, forget=True))


async def _discard_later(directory: AttemptDirectory, pooled: Path) -> None:
    """Delete a directory of the pool that no attempt acquires soon: it is not worth its space."""
    await asyncio.sleep(_POOLED_SECONDS)
    await asyncio.to_thread(directory.discard, pooled)
