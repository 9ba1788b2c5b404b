"""One attempt of a task: directory, agent, checks, heartbeats, saved change."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import shutil
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.agents.base import Agent, AgentOutcome, BudgetReached, Completed, UsageLimit, Work
from activities.agents.command import ended, last_output, run_shell
from activities.attempt.agent_repository import keep_commits, left_behind
from activities.attempt.conflict_monitor import looking_out
from activities.attempt.containment import contained
from activities.attempt.directory import AttemptDirectory
from activities.attempt.keep import keep_ignored
from activities.attempt.merge_check import check_merged
from activities.attempt.setup import furnish
from activities.git.command import display_path
from activities.processes.admission import Admission, left_on
from activities.processes.admission_notifier import AdmissionNotifier, Tell
from activities.processes.bounds import Bounds
from activities.processes.process_tree import ProcessTree, end_marked, has_no_processes
from activities.state.activity_scope import activity_scope, current_execution
from activities.state.heartbeat import Heartbeat
from activities.state.plan_source import PlanSource, Running
from activities.system.concurrency import in_thread, uninterrupted
from activities.system.failpoints import failpoint
from epw.core import failures
from epw.core.errors import GitError, TaskFailed
from epw.core.globs import matches
from epw.core.messages import RUN_TASK, AgentProgress, Failure, Question, TaskOutcome, TaskRun
from epw.core.plan.model import MODELS, Task

_MIN_FREE_BYTES = 64 * 1024
_MAX_UNDECLARED = 10
_SPARE_SECONDS = 2.0
_CROWDED = "waiting: resources (memory or disk of this machine)"
_SUMMARY_LIMIT = 500
_MESSAGE_LIMIT = 1000


class TaskRunner:
    """The activity `run_task`, with the agents it may use."""

    def __init__(self, home: Path, plans: PlanSource, agents: Mapping[str, Agent], tell: Tell, most_kept: int) -> None:
        self._home = home
        self._plans = plans
        self._agents = agents
        self._dropping: set[asyncio.Task[None]] = set()
        self._admission = Admission(partial(left_on, home))
        self._admission_notifier = AdmissionNotifier(tell)
        self._most_kept = most_kept

    @activity.defn(name=RUN_TASK)
    async def run_task(self, run: TaskRun) -> TaskOutcome:
        """Run an attempt to its end; done again after a lost worker, it finds what was already saved.

        Raises an `ApplicationError` of type `AgentFailed` that carries the outcome where the agent failed.
        """
        info = activity.info()
        execution = current_execution(self._home, run)
        directory = AttemptDirectory(execution, run, info.attempt)
        outcome = directory.outcome() if info.attempt > 1 else None
        if outcome is None:
            running = await self._plans.of_current_execution()
            if info.attempt > 1:
                # The lost worker's agent may still write, and spend.
                await in_thread(partial(end_marked, execution.attempt_key(run.task_id), forget=True))
            outcome = await self._attempt(directory, running)
        if outcome.kind == "failed" and outcome.failure is not None:
            message = f"{outcome.failure.type}: {outcome.failure.message}"
            raise ApplicationError(
                message,
                outcome,
                type=failures.AGENT_FAILED.type,
                non_retryable=True,
                # The SDK logs a stack trace for other categories; this is no fault of the worker's.
                category=ApplicationErrorCategory.BENIGN,
            )
        return outcome

    async def _attempt(self, directory: AttemptDirectory, running: Running) -> TaskOutcome:
        run, plan, task = directory.run, running.plan, _task(running, directory.run)
        name = plan.agent_of(task)
        agent = self._agents[name]
        started, clock = time.time(), time.perf_counter()
        uses_files = agent.needs_directory(task) or bool(task.verify)
        progress = AgentProgress(
            task_id=task.id, agent_id=run.agent_id, simulated=agent.simulated, directory=directory.key
        )
        heartbeat = Heartbeat(progress)
        work = await in_thread(directory.work, running, task, heartbeat)
        stays = False
        try:
            async with (
                activity_scope(self._home, directory.marker, heartbeat, directory.deaths),
                self._admitted(work, agent) as work,
            ):
                try:
                    ending = await _execute(agent, work, directory if uses_files else None)
                except asyncio.CancelledError:
                    # Who takes over goes on in the tree, as after a worker that died.
                    stays = agent.keeps_state and activity.is_worker_shutdown()
                    details = activity.cancellation_details()
                    if details is None or not details.cancel_requested:
                        raise
                    # What it made and used is known all the same.
                    ending = TaskFailed(failures.CANCELLED, "stopped before it was done")
                outcome = TaskOutcome(kind="completed")
                failpoint("run.ended")
                if uses_files:
                    outcome = await in_thread(_saved, directory, work, int(started), ending, self._most_kept)
                outcome = _ended(outcome, ending, directory, agent).model_copy(
                    update={
                        "started_at": int(started * 1000),
                        "duration_ms": round((time.perf_counter() - clock - work.waited_seconds) * 1000),
                        "crowded_ms": round(work.room.seconds * 1000),
                        "limited_ms": round(work.waited.seconds * 1000),
                        "usage": work.used.so_far,
                        "sandbox": None if agent.simulated else work.sandbox,
                        **_measured(work, outcome),
                        "simulated": agent.simulated,
                    }
                )
                outcome = _reported(outcome, needs_approval=name in MODELS and run.base is not None)
                failpoint("save.committed")
                # On a full disk it is not kept: the answer to the server is what counts.
                with contextlib.suppress(OSError):
                    directory.keep_outcome(outcome)
                failpoint("save.kept")
                stays = outcome.kind in ("question", "usage-limit", "budget-limit")
                if outcome.kind == "completed" and uses_files:
                    await self._retire(directory)
                    stays = True
        finally:
            if uses_files and not stays:
                await in_thread(directory.remove)
        return outcome

    @asynccontextmanager
    async def _admitted(self, work: Work, agent: Agent) -> AsyncIterator[Work]:
        """The work, contained, when there is room for it; where it starts processes at all."""
        simulate = work.task.simulate
        if agent.simulated and not (simulate and (simulate.memory_mb or simulate.cpu_seconds)):
            yield work
        elif agent.simulated:
            async with contained(work) as work:
                yield work
        else:
            work.room.begin()
            declared = work.plan.limits_of(work.task)
            most_mb = Bounds.of(work.plan, work.task, work.disk).memory_mb
            async with self._admission.admitted(declared, most_mb, partial(self._in_line, work)) as admitted:
                work.room.end()
                async with contained(work) as work:
                    admitted.guard = work.guard
                    yield work

    @contextmanager
    def _in_line(self, work: Work) -> Iterator[None]:
        """While the block runs, everybody sees that the work waits."""
        info = activity.info()
        work.report({"operation": _CROWDED})
        with self._admission_notifier.standing(info.workflow_id or "", info.workflow_run_id or "", work.task.id):
            yield
        work.report({"operation": None})

    async def _retire(self, directory: AttemptDirectory) -> None:
        """Put the directory by for the next attempt, where certainly nothing writes into it any more."""
        if not ProcessTree.all_known() or not await in_thread(has_no_processes, directory.path):
            await in_thread(directory.remove)
            return
        spare = await in_thread(directory.retire)
        if spare is not None:
            dropping = asyncio.create_task(_drop_later(directory, spare))
            self._dropping.add(dropping)
            dropping.add_done_callback(self._dropping.discard)


async def _drop_later(directory: AttemptDirectory, spare: Path) -> None:
    """A spare that the next attempt does not take at once is not worth its space."""
    await asyncio.sleep(_SPARE_SECONDS)
    await asyncio.to_thread(directory.drop, spare)


def _task(running: Running, run: TaskRun) -> Task:
    """What is to be done: the task, or where only generated files did not merge, to make these anew."""
    task, paths = running.tasks[run.task_id], run.dispute.relock if run.dispute else []
    if not paths:
        return task
    commands = [
        command for pattern, command in running.plan.relock.items() if any(matches(pattern, path) for path in paths)
    ]
    update: dict[str, Any] = {"agent": "command", "run": "\n".join(commands), "simulate": None, "files": []}
    return task.model_copy(update=update)


def _measured(work: Work, saved: TaskOutcome) -> dict[str, Any]:
    """What its processes used, and all that it was warned of."""
    found = work.guard.result() if work.guard is not None else {}
    return {**found, "warnings": [*saved.warnings, *found.get("warnings", []), *work.warnings.given]}


def _reported(outcome: TaskOutcome, *, needs_approval: bool) -> TaskOutcome:
    """With risky changes as what they are: a matter of approval, or only worth knowing."""
    if not outcome.risky or (needs_approval and outcome.kind == "completed"):
        return outcome
    told = f"changed {', '.join(outcome.risky)}"[:_MESSAGE_LIMIT]
    return outcome.model_copy(update={"risky": [], "warnings": [*outcome.warnings, told]})


async def _execute(agent: Agent, work: Work, directory: AttemptDirectory | None) -> AgentOutcome | TaskFailed:
    """The agent's end, unless a limit ends it before."""
    working = asyncio.ensure_future(_judged(agent, work, directory))
    broken = work.guard.broken if work.guard is not None else None
    left = None if agent.keeps_state or agent.simulated else work.most_seconds
    try:
        either: list[asyncio.Future[Any]] = [working, *([broken] if broken is not None else [])]
        await asyncio.wait(either, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        if work.guard is not None:
            # What has ended a process may have been its limit.
            await in_thread(work.guard.look)
            await asyncio.sleep(0)
        if broken is not None and broken.done():
            return broken.result()
        if working.done():
            return working.result()
        return work.out_of_time()
    finally:
        if not working.done():
            # What it runs gets a signal, and a moment to clean up.
            working.cancel()
            await uninterrupted(asyncio.wait([working]))


async def _judged(agent: Agent, work: Work, directory: AttemptDirectory | None) -> AgentOutcome | TaskFailed:
    """The agent's end, judged by the task's own check."""
    try:
        if directory is not None:
            await furnish(directory, work, keeps_state=agent.keeps_state)
            failpoint("run.furnished")
        ending = await _watched(agent, work, directory)
        if isinstance(ending, Completed) and work.task.verify:
            code = await run_shell(work, work.task.verify)
            if code != 0:
                return TaskFailed(failures.VERIFY_FAILED, f"verify {ended(code)}{last_output(work)}")
        if isinstance(ending, Completed) and directory is not None and work.dispute is not None:
            await in_thread(check_merged, work, work.dispute, directory)
        return ending
    except TaskFailed as error:
        return TaskFailed(failures.DISK_FULL, str(error)) if _is_full(error) or _no_space(work) else error
    except (OSError, ValueError) as error:
        # The agent's own doing (its directory is gone, its variables too long): not the infrastructure's.
        return TaskFailed(
            failures.DISK_FULL if _is_full(error) else failures.AGENT_ERROR, f"{type(error).__name__}: {error}"
        )


async def _watched(agent: Agent, work: Work, directory: AttemptDirectory | None) -> AgentOutcome:
    if directory is None:
        return await agent.execute(work)
    async with looking_out(directory, work):
        return await agent.execute(work)


def _no_space(work: Work) -> bool:
    """Whether the disk of the attempt is full; then not even what the agent said of it could be kept."""
    with contextlib.suppress(OSError):
        return work.tree.is_dir() and shutil.disk_usage(work.tree).free < _MIN_FREE_BYTES
    return False


def _is_full(error: Exception) -> bool:
    return (isinstance(error, OSError) and error.errno == errno.ENOSPC) or "No space left" in str(error)


def _saved(
    directory: AttemptDirectory, work: Work, at: int, ending: AgentOutcome | TaskFailed, most_kept: int
) -> TaskOutcome:
    """The saved change; work that cannot be saved has failed, and is not done again and again."""
    files = work.task.files
    try:
        commit, paths = directory.save(at)
        links = directory.links_out(commit)
        if isinstance(ending, Completed):
            directory.keep_reads(ending.reads)
            directory.warm_symbol_cache(commit)
    except (TaskFailed, GitError, OSError, ValueError) as error:
        other = failures.DISK_FULL if _is_full(error) else failures.SAVE_FAILED
        kind = error.kind if isinstance(error, TaskFailed) else other
        failure = Failure.of(kind, str(error)[:_MESSAGE_LIMIT])
        return TaskOutcome(kind="failed", failure=failure, final=isinstance(error, TaskFailed) and error.final)
    failed = directory.left.failure()
    if links and not failed and not isinstance(ending, TaskFailed):
        told = f"links that leave the workspace do not land: {', '.join(display_path(link) for link in links[:5])}"
        failure = Failure.of(failures.UNSAFE_SYMLINK, told[:_MESSAGE_LIMIT])
        return TaskOutcome(kind="failed", failure=failure, commit=commit, files_changed=len(paths))
    left = left_behind(directory, commit, at)
    beside = [f"left behind, not landed: {each.kind} {each.name}" for each in left]
    keeps = work.plan.commits == "keep" and directory.run.base and not failed
    joined = keep_commits(directory, commit) if commit and keeps else None
    is_over = isinstance(ending, Completed | TaskFailed)
    kept, not_kept = keep_ignored(directory, work, at, paths, most_kept) if is_over else ([], [])
    ignored = filter(None, [directory.alike(commit, paths), joined, None if kept else directory.only_ignored(commit)])
    undeclared = [path for path in paths if files and not any(matches(pattern, path) for pattern in files)]
    is_command = work.plan.agent_of(work.task) == "command"
    return TaskOutcome(
        kind="failed" if failed else "completed",
        failure=Failure.of(failed.kind, str(failed)[:_MESSAGE_LIMIT]) if failed else None,
        # Of the same files and attributes the same comes, unless a model makes them.
        final=failed is not None and (failed.final or (is_command and failed.kind is failures.FILTER_LOST)),
        commit=commit,
        files_changed=len(paths),
        undeclared=[display_path(path) for path in undeclared[:_MAX_UNDECLARED]],
        risky=directory.executed_later(commit, paths),
        left_behind=left,
        warnings=[*directory.left.warnings(), *beside, *ignored, *not_kept],
    )


def _ended(
    saved: TaskOutcome, ending: AgentOutcome | TaskFailed, directory: AttemptDirectory, agent: Agent
) -> TaskOutcome:
    """How the attempt ended, with its saved change."""
    if isinstance(ending, TaskFailed):
        failure = Failure.of(ending.kind, str(ending)[:_MESSAGE_LIMIT])
        goes_on = directory.saved(saved.commit) if agent.keeps_state and not ending.final else None
        update = {"kind": "failed", "failure": failure, "final": ending.final, "saved": goes_on}
        return saved.model_copy(update=update)
    if saved.kind == "failed":
        return saved
    if isinstance(ending, Question):
        update = {"kind": "question", "question": ending, "saved": directory.saved(saved.commit)}
        return saved.model_copy(update=update)
    if isinstance(ending, UsageLimit):
        until = round(ending.until * 1000)
        update = {"kind": "usage-limit", "until": until, "saved": directory.saved(saved.commit)}
        return saved.model_copy(update=update)
    if isinstance(ending, BudgetReached):
        failure = Failure.of(failures.BUDGET_LIMIT, ending.message[:_MESSAGE_LIMIT])
        update = {"kind": "budget-limit", "failure": failure, "saved": directory.saved(saved.commit)}
        return saved.model_copy(update=update)
    summary = ending.summary[:_SUMMARY_LIMIT] if ending.summary else None
    return saved.model_copy(update={"summary": summary})
