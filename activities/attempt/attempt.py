"""One attempt of a task: its directory, the context of its agent, how its processes start, and what it reports."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from activities.agents.context import AgentContext, DependencyResult
from activities.agents.environment import attempt_variables, inherited_variables, secrets_of
from activities.agents.notes import Notes
from activities.agents.reporter import Reporter, Warnings
from activities.attempt.directory import AttemptDirectory
from activities.git.changes import changed_paths
from activities.git.command import display_path
from activities.git.hub import Hub
from activities.processes.bounds import Bounds, Machine
from activities.processes.host_monitor import HostMonitor
from activities.processes.launcher import ProcessLauncher
from activities.processes.output_log import OutputLog
from activities.sandbox.levels import level
from activities.state.execution_store import ExecutionStore
from activities.state.heartbeat import Heartbeat
from activities.state.plan_source import RunningPlan
from activities.system.concurrency import in_thread
from epw.core.backends import Backend, DefaultSandbox
from epw.core.errors import GitError, TaskFailed
from epw.core.messages import Produced
from epw.core.naming import slug
from epw.core.plan.model import Plan, Task
from epw.core.presets.preset import Login

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Attempt:
    """Everything that belongs to one attempt while it runs."""

    directory: AttemptDirectory
    context: AgentContext
    launcher: ProcessLauncher
    reporter: Reporter
    host: HostMonitor
    """Counts of the checks of the worker that it runs in."""
    output: OutputLog
    """Log of what its processes print."""
    uses_files: bool = True
    """Whether its directory is made and saved."""
    logins: Sequence[Login] = ()
    """Logins that its agent has; its `setup` and `verify` have none."""

    @classmethod
    def of(
        cls,
        directory: AttemptDirectory,
        running: RunningPlan,
        task: Task,
        heartbeat: Heartbeat,
        host: HostMonitor,
        default_sandbox: DefaultSandbox | None = None,
        *,
        uses_files: bool = True,
        logins: Sequence[Login] = (),
    ) -> Attempt:
        """Describe an attempt; nothing of it is made yet. Blocking.

        `default_sandbox`: level under `sandbox: auto` in place of the backend's. `logins`: of programs that it runs.
        """
        context = _context(directory, running, task)
        reporter = Reporter(
            heartbeat, secrets_of(running.plan, logins), partial(_checkpoint, directory), Warnings(heartbeat.warn)
        )
        heartbeat.waited = lambda: reporter.waited_seconds
        memory = context.state / "notes-taken" if context.backend.keeps_state else None
        reporter.notes = Notes(directory.execution.notes(task.id), directory.run.messages, memory)
        sandbox = level(running.plan, default_sandbox or context.backend.default_sandbox)
        log = directory.execution.log(f"{slug(task.id)}.{directory.run.attempt}")

        def redact(data: bytes) -> bytes:
            # A login gets new tokens while it is used, and what is included is read later.
            return reporter.secrets.redact(data)

        has_secrets = bool(reporter.secrets.forms or logins or running.plan.included_in(task))
        output = OutputLog(log, redact if has_secrets else None)
        launcher = _launcher(directory, context, sandbox, output.written)
        return cls(directory, context, launcher, reporter, host, output, uses_files, logins)

    @property
    def backend(self) -> Backend:
        return self.context.backend

    @property
    def bounds(self) -> Bounds:
        """Limits of its processes; of a simulated agent, for the memory and CPU that it is to use."""
        return self.context.bounds or _bounds(self.directory.execution, self.context.plan, self.context.task)


def _context(directory: AttemptDirectory, running: RunningPlan, task: Task) -> AgentContext:
    execution, run, both = directory.execution, directory.run, directory.both_sides
    agents = execution.path / "agents"
    # A rerun after a conflict, or because a person wants it, starts a conversation of its own.
    number = f"~{run.reruns}" if run.reruns or run.retries else ""
    conversation = f"{slug(run.task_id)}{number}{f'.{run.retries}' if run.retries else ''}"
    return AgentContext(
        plan=running.plan,
        task=task,
        strategy=running.strategy,
        execution_id=execution.workflow_id,
        attempt=run.attempt,
        activity_attempt=directory.activity_attempt,
        resumes=run.round,
        tree=directory.tree,
        events=directory.path / "events.jsonl",
        state=agents / execution.run_key[:8] / conversation,
        ledger=execution.ledger,
        answer=run.answer,
        moved=run.resume if run.resume is not None and run.resume.left is not None else None,
        model=run.model or "",
        dependency_results=[_dependency_result(directory.hub, each) for each in run.inputs],
        previous_failure=run.after,
        budget_override=run.budget,
        bounds=None if running.plan.backend_of(task).simulated else _bounds(execution, running.plan, task),
        conflict=run.dispute,
        hunks=execution.conflict(run.dispute.found_with).get("hunks", []) if run.dispute else [],
        conflicting_paths=both.marked if both else [],
        unmergeable=both.describe_unmergeable() if both else [],
    )


def _bounds(execution: ExecutionStore, plan: Plan, task: Task) -> Bounds:
    return Bounds.of(plan, task, Machine.here(execution.state.path))


def _launcher(directory: AttemptDirectory, context: AgentContext, sandbox: str, log: Path) -> ProcessLauncher:
    execution, run, path = directory.execution, directory.run, directory.path
    return ProcessLauncher(
        cwd=directory.tree,
        folder=path,
        state=context.state,
        log=log,
        marker=directory.marker,
        sandbox=sandbox,
        inherited=inherited_variables(context.plan, path / "home", path / "tmp", sandbox),
        variables=attempt_variables(context),
        readable=[directory.hub.path, *map(Path, execution.workspace().objects)] if run.base else [],
    )


def _dependency_result(hub: Hub, produced: Produced) -> DependencyResult:
    commit = produced.commit
    paths = changed_paths(hub, hub.parent_of(commit), commit) if commit else []
    return DependencyResult(produced.task_id, produced.summary, [display_path(path) for path in paths])


async def _checkpoint(directory: AttemptDirectory) -> None:
    """Save the directory while its agent runs, for an attempt that would have to go on without it."""
    try:
        await in_thread(partial(directory.save, int(time.time()), final=False))
    except (TaskFailed, GitError, OSError, ValueError) as error:
        # The agent goes on: its work is saved at its end in any case.
        _log.debug("no checkpoint of %s: %s", directory.run.task_id, error)
